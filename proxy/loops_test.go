package proxy

import (
	"testing"
	"time"
)

func TestServer_TimesTheTurnsOfItsLoops(t *testing.T) {
	s, err := New(Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(t.Context()) }()
	const busy = 20 * time.Millisecond
	over := make(chan struct{})
	s.workers[1].Loop.Post(func() {
		for began := time.Now(); time.Since(began) < busy; {
		}
		s.workers[1].Loop.Post(func() { close(over) }) // in a turn of its own, when the first has been counted
	})
	<-over
	loops := s.Loops()
	if len(loops) != 2 || loops[1].Turns.Sum < busy {
		t.Errorf("got %+v", loops)
	}
}
