package proxy

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"overdrive/proxy/postgres/session"
)

// hold has a text of the size be judged until the test ends.
func (j *judges) hold(t *testing.T, size int) {
	end, judging := make(chan struct{}), make(chan struct{})
	turn := j.queue(size)
	if turn == nil {
		t.Fatalf("a text of %d bytes finds no room", size)
	}
	go turn.judge(nil, func() { close(judging); <-end })
	<-judging // would wait for ever
	t.Cleanup(func() { close(end) })
}

func TestJudges_ShortTextsDoNotWaitForLongOnes(t *testing.T) {
	const processors = 2
	j := newJudges(processors)
	j.hold(t, session.MaxHeld)
	j.hold(t, laneLimits[1])
	for range processors {
		j.hold(t, laneLimits[0])
	}
	for size, want := range map[int]int{0: 0, laneLimits[0]: 0, laneLimits[0] + 1: 1, laneLimits[1] + 1: 2, session.MaxHeld: 2} {
		if got := laneOf(size); got != want {
			t.Errorf("a text of %d bytes is in lane %d, want %d", size, got, want)
		}
	}
	for i := range j {
		if places := cap(j[i].places); places == 0 || i > 0 && places > cap(j[i-1].places) {
			t.Errorf("lane %d has %d judges", i, places)
		}
	}
}

func TestJudges_ALaneIsBounded(t *testing.T) {
	for _, size := range []int{1, laneLimits[1], session.MaxHeld} {
		j := newJudges(2)
		var turns []*turn
		for turn := j.queue(size); turn != nil; turn = j.queue(size) {
			if turns = append(turns, turn); len(turns)*size > maxLaneBytes || len(turns) > maxLaneBytes/judgingOverhead {
				t.Fatalf("%d texts of %d bytes are in one lane", len(turns), size)
			}
		}
		if len(turns) < 100 {
			t.Errorf("%d texts of %d bytes have room", len(turns), size)
		}
		if other := j.queue(5 << 10); size != laneLimits[1] && other == nil {
			t.Error("another lane is full, too")
		}
		turns[0].leave()
		if j.queue(size) == nil {
			t.Error("no room after one has left")
		}
	}
}

// busyJudges returns a worker of a server whose judge of long texts is busy until the test ends, and the number of verdicts that come
// to it.
func busyJudges(t *testing.T) (w *worker, told *atomic.Int64, stop context.CancelFunc) {
	server := &Server{judges: newJudges(1)}
	server.context, stop = context.WithCancel(t.Context())
	server.judges.hold(t, session.MaxHeld)
	told = new(atomic.Int64)
	return &worker{server: server, post: func(func()) bool { told.Add(1); return true }}, told, stop
}

// newUnjudged returns a client that lives on the loop of w.
func newUnjudged(w *worker) *client {
	c := newClient(newTestOrigin(w.server), 0)
	c.refreshes = true // so nobody looks for it on the server
	c.address.arrive(w)
	return c
}

func TestJudge_ATextWhoseSessionHasEndedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, told, _ := busyJudges(t)
		for range 10_000 {
			c := newUnjudged(w)
			c.Judge(&session.Lens{}, make([]byte, session.MaxHeld))
			c.Ended(session.ReasonPanic, nil)
			synctest.Wait()
			if told.Load() > 0 {
				t.Fatal("it was judged, or had no room")
			}
		}
		w.server.tasks.Wait() // would wait for ever
	})
}

func TestJudge_AServerThatStopsDoesNotWaitForTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, stop := busyJudges(t)
		for range 10 {
			newUnjudged(w).Judge(&session.Lens{}, make([]byte, session.MaxHeld))
		}
		stop()
		w.server.tasks.Wait() // would wait for ever
	})
}

func TestJudge_ATextBehindTooManyOthersIsNotLookedInto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, told, stop := busyJudges(t)
		defer stop()
		for range maxLaneBytes/session.MaxHeld + 1 {
			newUnjudged(w).Judge(&session.Lens{}, make([]byte, session.MaxHeld))
		}
		if told.Load() == 0 {
			t.Error("it waits")
		}
	})
}
