package proxy

import (
	"context"
	"fmt"
)

// Alive returns nil as soon as every event loop has taken a turn since the call. If one has not when ctx ends, or runs no more, its error
// says which. Anybody may call it at any time, but not often: each call wakes every loop, and what it asks of a loop that stands still
// waits there until it goes on.
func (s *Server) Alive(ctx context.Context) error {
	turned := make(chan int, len(s.workers)) // has room for all: no loop waits
	for i, w := range s.workers {
		if !w.Loop.Post(func() { turned <- i }) {
			return fmt.Errorf("event loop %d has ended", i)
		}
	}
	silent := make(map[int]bool)
	for i := range s.workers {
		silent[i] = true
	}
	for len(silent) > 0 {
		select {
		case i := <-turned:
			delete(silent, i)
		case <-ctx.Done():
			for i := range silent {
				return fmt.Errorf("event loop %d, one of %d, stands still: %w", i, len(silent), ctx.Err())
			}
		}
	}
	return nil
}
