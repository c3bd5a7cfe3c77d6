package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"overdrive/proxy"
)

func TestServer_IsAliveAsLongAsEveryLoopTurns(t *testing.T) {
	s, err := proxy.New(proxy.Options{Loops: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Errorf("at rest: %v", err)
	}
	held, standing := make(chan struct{}), make(chan struct{})
	s.Workers()[1].Loop.Post(func() { close(standing); <-held })
	<-standing
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Alive(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "event loop 1, one of 1,") {
		t.Errorf("with a loop that stands still: %v", err)
	}
	close(held)
	if err := s.Alive(t.Context()); err != nil {
		t.Errorf("going on: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(t.Context()); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("stopped: %v", err)
	}
}
