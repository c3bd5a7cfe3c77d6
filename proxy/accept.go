package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// This file takes clients from their listeners, and turns away those for whom there is no room.

// Serve accepts clients that speak p from l until Shutdown, which closes l, or until somebody else has closed l. It always returns an error.
func (s *Server) Serve(l net.Listener, p Protocol) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listeners, l)
	}()
	if s.stopping.Load() {
		l.Close()
	}
	var kept reserve
	defer kept.release()
	var pause time.Duration
	for {
		kept.take()
		nc, err := l.Accept()
		if err != nil && OutOfDescriptors(err) && kept.release() {
			if nc, err = l.Accept(); err == nil && !s.stopping.Load() {
				p.TurnAway(nc, ErrNoDescriptor, farewellLimit/4) // not beside the loop: it has the last descriptor
				continue
			}
		}
		switch {
		case s.stopping.Load():
			if err == nil {
				nc.Close()
			}
			return ErrServerClosed
		case err == nil:
			pause = 0
			s.receive(nc, p)
			continue
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept: %w", err)
		}
		// Out of memory, or of descriptors and somebody took ours: others may leave, so wait and go on.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.Error("accept failed", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-s.context.Done():
		}
	}
}

// A reserve is a descriptor that is kept back, so that a client can be told that there are no more. The zero value keeps none.
type reserve struct{ file *os.File }

// take keeps one back, if it can be had.
func (r *reserve) take() {
	if r.file == nil {
		r.file, _ = os.Open(os.DevNull) // else again before the next client
	}
}

// release gives it up, and reports whether there was one.
func (r *reserve) release() bool {
	if r.file == nil {
		return false
	}
	r.file.Close()
	r.file = nil
	return true
}

// receive takes on a client that has just connected.
func (s *Server) receive(nc net.Conn, p Protocol) {
	a, err := s.gate.enter(nc, time.Now())
	if err == nil {
		s.tasks.Go(func() { s.admit(nc, a, p) })
		return
	}
	select {
	case s.farewells <- struct{}{}:
		s.tasks.Go(func() {
			defer func() { <-s.farewells }()
			p.TurnAway(nc, err, farewellLimit)
		})
	default:
		p.Part(nc, err)
	}
}

// admit has a client led in, in time. Who is still on the way in when the server has stopped is out of time at once.
func (s *Server) admit(nc net.Conn, a *Arrival, p Protocol) {
	_ = nc.SetDeadline(time.Now().Add(s.limits.Load().LoginTimeout))
	defer context.AfterFunc(s.context, func() { _ = nc.SetDeadline(time.Unix(0, 0)) })()
	p.Admit(nc, a)
}

// Bounds of turning away.
const (
	maxFarewells  = 100         // clients that are listened to meanwhile; further ones are told at once
	farewellLimit = time.Second // for one of them
)
