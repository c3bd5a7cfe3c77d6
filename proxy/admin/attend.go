package admin

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

// This file is how a command that takes its time is given up: the client hangs up, or sends a cancel request.

// Keys of consoles are apart from those of sessions, which begin at 1<<30, and from the process IDs that Linux has.
const firstKey, lastKey = 1 << 29, 1<<30 - 1

// switchboard finds connections by the keys that their clients were given.
type switchboard struct {
	mu    sync.Mutex // guards the fields below
	conns map[uint32]*conn
	last  uint32
}

// enter gives a connection its key. leave must be called.
func (s *switchboard) enter(c *conn) {
	var secret [4]byte
	_, _ = rand.Read(secret[:]) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		s.conns = make(map[uint32]*conn)
	}
	for { // there are far fewer consoles than numbers
		if s.last++; s.last < firstKey || s.last > lastKey {
			s.last = firstKey
		}
		if s.conns[s.last] == nil {
			break
		}
	}
	c.number, c.secret = s.last, binary.BigEndian.Uint32(secret[:])
	s.conns[s.last] = c
}

func (s *switchboard) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.number)
}

// Cancel carries out a cancel request: what the connection with this key is waiting for is given up. Any goroutine may call it.
func (c *Console) Cancel(number, secret uint32) {
	c.switchboard.mu.Lock()
	defer c.switchboard.mu.Unlock()
	if found := c.switchboard.conns[number]; found != nil && found.secret == secret && found.giveUp != nil {
		found.giveUp()
	}
}

// attend returns a context that ends when the client hangs up or has the command cancelled. leave must be called before anything else
// is read of the client.
func (c *conn) attend() (ctx context.Context, leave func()) {
	ctx, giveUp := context.WithCancel(c.ctx)
	c.onCancel(giveUp)
	_ = c.nc.SetReadDeadline(time.Time{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			_, err := c.in.Peek(c.in.Buffered() + 1)
			switch {
			case err == nil: // it goes on talking, which is taken up later
				continue
			case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, bufio.ErrBufferFull):
			default:
				giveUp()
			}
			return
		}
	})
	return ctx, func() {
		c.onCancel(nil)
		_ = c.nc.SetReadDeadline(time.Unix(0, 0))
		watch.Wait()
		giveUp()
	}
}

// onCancel sets what a cancel request does.
func (c *conn) onCancel(f context.CancelFunc) {
	s := &c.console.switchboard
	s.mu.Lock()
	defer s.mu.Unlock()
	c.giveUp = f
}
