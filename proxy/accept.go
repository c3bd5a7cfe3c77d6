package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file takes clients from their listeners, and turns away those for whom there is no room.

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("proxy: server closed")

// errNoDescriptor refuses a client, or a login at a server, for want of a file descriptor.
var errNoDescriptor = refuse(pgwire.CodeTooManyConnections, "sorry, too many clients already: the proxy has no file descriptor left")

// outOfDescriptors says whether an error is that the process, or the system, has no file descriptor left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Serve accepts clients from l until Shutdown, which closes l. It always returns an error.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	if s.stopping.Load() {
		l.Close()
	}
	var kept reserve
	defer kept.release()
	var pause time.Duration
	for {
		kept.take()
		nc, err := l.Accept()
		if err != nil && outOfDescriptors(err) && kept.release() {
			if nc, err = l.Accept(); err == nil && !s.stopping.Load() {
				s.turnAway(nc, errNoDescriptor, farewellLimit/4) // not beside the loop: it has the last descriptor
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
			s.receive(nc)
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
func (s *Server) receive(nc net.Conn) {
	t, err := s.gate.enter(nc, time.Now())
	if err == nil {
		s.tasks.Go(func() { s.admit(nc, t) })
		return
	}
	select {
	case s.farewells <- struct{}{}:
		s.tasks.Go(func() {
			defer func() { <-s.farewells }()
			s.turnAway(nc, err, farewellLimit)
		})
	default:
		part(nc, err)
	}
}

// Bounds of turning away.
const (
	maxFarewells  = 100         // clients that are listened to meanwhile; further ones are told at once
	farewellLimit = time.Second // for one of them
)

// turnAway tells a client that there is no room for it, once it has said what it wants or limit is over: told before, it might
// lose our words when we close with its own unread. A cancel request is carried out all the same.
func (s *Server) turnAway(nc net.Conn, why error, limit time.Duration) {
	a := &admission{server: s, nc: nc}
	_ = nc.SetDeadline(time.Now().Add(limit))
	err := a.open()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		err = why
		_ = nc.SetDeadline(time.Now().Add(limit))
	}
	a.end(err)
}

// part writes the words of a refusal, if there is room for them without waiting, and closes the connection.
func part(nc net.Conn, why error) {
	var refusal *refusalError
	if errors.As(why, &refusal) {
		_ = nc.SetWriteDeadline(time.Now().Add(farewellLimit / 100))
		report := pgwire.ErrorReport{Severity: "FATAL", Code: refusal.code, Message: refusal.message}
		_, _ = nc.Write(pgwire.AppendError(nil, report))
	}
	nc.Close()
}
