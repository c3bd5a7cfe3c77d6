package proxy

import (
	"context"
	"sync/atomic"
)

// judges share out the right to judge texts, which takes processor time that grows with their length. Texts of one lane wait
// for each other and not for those of another, so that whoever sends long texts holds up nobody who sends short ones.
type judges [len(laneLimits) + 1]lane

// laneLimits are the lengths of the longest texts of each lane but the last.
var laneLimits = [...]int{4 << 10, 16 << 10}

// maxLaneBytes bounds the texts that are in one lane, be they waiting or being judged, with judgingOverhead for each of them.
const maxLaneBytes = 32 << 20

// judgingOverhead is what a text costs that waits, besides its bytes: a goroutine.
const judgingOverhead = 4 << 10

// A lane is for texts of about the same length.
type lane struct {
	places chan struct{} // holds one for each text that is being judged
	bytes  atomic.Int64  // of the texts in the lane
}

// newJudges returns judges for as many processors. All of them may judge short texts; one is enough for the longest.
func newJudges(processors int) *judges {
	j := new(judges)
	for i := range j {
		j[i].places = make(chan struct{}, max(1, processors>>i))
	}
	j[len(j)-1].places = make(chan struct{}, 1)
	return j
}

// queue takes a text of the size into its lane, or returns nil if there is no room.
func (j *judges) queue(size int) *turn {
	t := &turn{&j[laneOf(size)], int64(size) + judgingOverhead}
	if t.lane.bytes.Add(t.bytes) > maxLaneBytes {
		t.leave()
		return nil
	}
	return t
}

// A turn is that of a text in a lane. leave must be called once.
type turn struct {
	lane  *lane
	bytes int64
}

// judge waits until the text may be judged, and then calls f. If over is closed before it does not.
func (t *turn) judge(over <-chan struct{}, f func()) {
	select {
	case t.lane.places <- struct{}{}:
	case <-over:
		return
	}
	defer func() { <-t.lane.places }()
	select {
	case <-over:
	default:
		f()
	}
}

func (t *turn) leave() { t.lane.bytes.Add(-t.bytes) }

func laneOf(size int) int {
	for i, limit := range laneLimits {
		if size <= limit {
			return i
		}
	}
	return len(laneLimits)
}

// Judge has judge called in a goroutine, when the turn has come of a text of so many bytes, unless stop is called or the server stops
// before. It returns nil if too many texts wait already.
func (s *Server) Judge(size int, judge func()) (stop context.CancelFunc) {
	t := s.judges.queue(size)
	if t == nil {
		return nil
	}
	ctx, stop := context.WithCancel(s.context)
	s.tasks.Go(func() {
		defer stop()
		defer t.leave()
		t.judge(ctx.Done(), judge)
	})
	return stop
}
