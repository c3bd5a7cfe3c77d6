package loop

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestLoop_GivesWayOnceInAWhile(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l := &Loop{}
	start := time.Now()
	for _, turn := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true}, {giveWayEvery - 1, false}, {giveWayEvery, true}, {giveWayEvery + 1, false}, {time.Hour, true},
	} {
		l.now = start.Add(turn.at)
		var ran atomic.Bool
		go ran.Store(true) // with one processor it runs when this one gives way
		l.giveWay()
		if gave := l.gaveWay.Equal(l.now); gave != turn.want || gave && !ran.Load() {
			t.Errorf("after %v the loop gave way: %v, want %v; another goroutine had its turn: %v", turn.at, gave, turn.want, ran.Load())
		}
	}
}

func TestLoop_DoesNotGiveWayWithoutAClock(t *testing.T) {
	l := &Loop{gaveWay: time.Now()}
	before := l.gaveWay
	l.giveWay()
	if l.gaveWay != before {
		t.Errorf("a turn that has not read the clock gave way")
	}
}
