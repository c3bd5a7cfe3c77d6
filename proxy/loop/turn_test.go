package loop

import (
	"testing"
	"time"
)

func TestLoop_TellsHowLongItsTurnsTook(t *testing.T) {
	took := make(chan time.Duration, 1000)
	l, err := New(Options{TurnTook: func(d time.Duration) { took <- d }})
	if err != nil {
		t.Fatal(err)
	}
	const busy = 20 * time.Millisecond
	ran := make(chan struct{})
	l.Post(func() {
		for began := time.Now(); time.Since(began) < busy; { // the loop is kept from everything else
		}
		close(ran)
	})
	done := make(chan error, 1)
	go func() { done <- l.Run() }()
	<-ran
	if got := <-took; got < busy {
		t.Errorf("the turn took %v, want %v at least", got, busy)
	}
	l.Close()
	<-done
}
