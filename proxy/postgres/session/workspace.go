package session

import (
	"math/rand/v2"
	"time"

	"overdrive/querycache"
)

// A Workspace is what the sessions and server connections of one event loop share: memory that is used during one event, and what is
// remembered of texts that come again. It belongs to that loop.
type Workspace struct {
	scratch scratch
	exact   exactTexts
	request querycache.Request // that is being put to the cache
	key     []byte             // of request
	spare   []byte             // for a text that is not in exact
	now     func() time.Time
	elapsed func(since time.Time) time.Duration // asks the clock itself; nil: the loop's will do
	lane    int                                 // that is counted in
	epoch   time.Time                           // of instants; zero before the first
	chance  func() float64                      // as random; nil: Go's own, which the system has seeded
}

// random is a number in [0, 1) that nobody can guess.
func (w *Workspace) random() float64 {
	if w.chance != nil {
		return w.chance()
	}
	return rand.Float64()
}

// An instant is a moment as a Workspace counts it, in nanoseconds, so that a session keeps it in eight bytes. 0 is none.
type instant int64

// instant is the present.
func (w *Workspace) instant() instant {
	now := w.now()
	if w.epoch.IsZero() {
		w.epoch = now
	}
	return instant(now.Sub(w.epoch)) + 1
}

// time is when an instant was; the zero time if it is none.
func (w *Workspace) time(i instant) time.Time {
	if i == 0 {
		return time.Time{}
	}
	return w.epoch.Add(time.Duration(i - 1))
}

// precisely is the present by the clock itself, which instant is only as of some moment of the loop's turn.
func (w *Workspace) precisely() instant {
	if w.elapsed == nil || w.epoch.IsZero() {
		return w.instant()
	}
	return instant(w.elapsed(w.epoch)) + 1
}

// SetClock gives the workspace the clock of its loop, which may be coarse, and a precise one, which is asked once for each batch at most.
func (w *Workspace) SetClock(now func() time.Time, elapsed func(since time.Time) time.Duration) {
	w.now, w.elapsed = now, elapsed
}

// CountIn has what passes on the loop be counted in the lanes of that index, which no other Workspace counts in.
func (w *Workspace) CountIn(lane int) { w.lane = lane }

// Begin begins an event: what was borrowed for the one before is used anew. Everything that the machine is told of as an event begins
// one by itself; whoever does something else on the loop begins it.
func (w *Workspace) Begin() { w.scratch.reset() }
