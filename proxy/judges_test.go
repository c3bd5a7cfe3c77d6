package proxy

import (
	"context"
	"testing"
	"testing/synctest"
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
	j.hold(t, longest)
	j.hold(t, laneLimits[1])
	for range processors {
		j.hold(t, laneLimits[0])
	}
	for size, want := range map[int]int{0: 0, laneLimits[0]: 0, laneLimits[0] + 1: 1, laneLimits[1] + 1: 2, longest: 2} {
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
	for _, size := range []int{1, laneLimits[1], longest} {
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

// longest is as long as the texts of the last lane are in practice.
const longest = 256 << 10

// busyServer returns a server whose judge of long texts is busy until the test ends.
func busyServer(t *testing.T) (s *Server, stop context.CancelFunc) {
	s = &Server{judges: newJudges(1)}
	s.context, stop = context.WithCancel(t.Context())
	s.judges.hold(t, longest)
	return s, stop
}

func TestJudge_ATextWhoseSessionHasEndedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := busyServer(t)
		defer stop()
		for range 10_000 {
			ended := s.Judge(longest, func() { t.Error("it was judged") })
			if ended == nil {
				t.Fatal("it had no room")
			}
			ended()
			synctest.Wait()
		}
		s.tasks.Wait() // would wait for ever
	})
}

func TestJudge_AServerThatStopsDoesNotWaitForTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := busyServer(t)
		for range 10 {
			s.Judge(longest, func() { t.Error("it was judged") })
		}
		stop()
		s.tasks.Wait() // would wait for ever
	})
}

func TestJudge_ATextBehindTooManyOthersIsNotLookedInto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := busyServer(t)
		defer stop()
		for range maxLaneBytes / longest {
			s.Judge(longest, func() {})
		}
		if s.Judge(longest, func() {}) != nil {
			t.Error("it waits")
		}
	})
}
