package logqueue

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Bounds of what waits to be written.
const (
	maxLines = 4096
	maxBytes = 1 << 20
)

// A Queue writes lines in the order in which they came. It must be closed, which ends its goroutine.
type Queue struct {
	out  io.Writer
	wake chan struct{} // holds one while there is something to look at
	done chan struct{} // closed when the goroutine has ended
	// notes formats lines of our own, and writes them at once. It is for the queue's goroutine only.
	notes slog.Handler

	mu      sync.Mutex // guards the fields below
	lines   [][]byte
	lost    uint64 // of all times
	bytes   int
	dropped int
	closing bool
	repeats repeats
}

// New returns a queue that writes to out, and a handler that writes to the queue. format makes slog's handler, whose lines
// are to be written.
func New(out io.Writer, format func(io.Writer) slog.Handler) (*Queue, *Handler) {
	q := &Queue{out: out, wake: make(chan struct{}, 1), done: make(chan struct{}), notes: format(out)}
	go q.run()
	return q, &Handler{queue: q, inner: format(q)}
}

// Write takes one line. It never blocks and never fails: a line without room is dropped and counted.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closing || len(q.lines) >= maxLines || q.bytes+len(line) > maxBytes {
		q.dropped++
		q.lost++
	} else {
		q.lines = append(q.lines, append([]byte(nil), line...))
		q.bytes += len(line)
	}
	q.mu.Unlock()
	q.signal()
	return len(line), nil
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close writes what waits, and what was counted, but gives up after limit. Lines that come later are dropped.
func (q *Queue) Close(limit time.Duration) {
	q.tellRepeated(true)
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.signal()
	select {
	case <-q.done:
	case <-time.After(limit):
	}
}

// run is the queue's goroutine.
func (q *Queue) run() {
	defer close(q.done)
	for {
		lines, dropped, closing := q.take()
		switch {
		case len(lines) > 0:
			if lost := q.write(lines); lost > 0 {
				q.lose(lost)
				q.drop(lost + dropped)
			} else {
				q.tellDropped(dropped)
			}
			continue
		case closing:
			q.tellDropped(dropped)
			return
		}
		q.sleep()
		q.tellRepeated(false)
	}
}

// take returns what waits, and how many lines are missing if that is to be told now.
func (q *Queue) take() (lines [][]byte, dropped int, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines, dropped, closing = q.lines, q.dropped, q.closing
	q.lines, q.bytes = nil, 0
	if len(lines) > 0 || closing {
		q.dropped = 0
	}
	return lines, dropped, closing
}

// write may block for as long as nobody reads. It returns how many lines could not be written, because nobody will ever read
// again or the disk is full.
func (q *Queue) write(lines [][]byte) (lost int) {
	for _, line := range lines {
		if _, err := q.out.Write(line); err != nil {
			lost++
		}
	}
	return lost
}

// drop counts lines that are missing. They are told of when writing works again.
func (q *Queue) drop(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += n
}

// lose counts lines that could not be written.
func (q *Queue) lose(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += uint64(n)
}

// Dropped is how many lines were not written since the start, because they found no room, or could not be.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// tellDropped says how many lines are missing, after those that were written. It waits for no room in the queue, and if it fails
// the number is kept for the next time.
func (q *Queue) tellDropped(n int) {
	if n == 0 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped: they could not be written in time", 0)
	r.AddAttrs(slog.Int("lines", n))
	if q.notes.Handle(context.Background(), r) != nil {
		q.drop(n)
	}
}

// sleep returns when there is something to write, or when the minute of something that was said is over.
func (q *Queue) sleep() {
	q.mu.Lock()
	due, some := q.repeats.due()
	q.mu.Unlock()
	if !some {
		<-q.wake
		return
	}
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-q.wake:
	case <-t.C:
	}
}

// tellRepeated writes the latest of what was repeated within a minute that is over, or within any.
func (q *Queue) tellRepeated(all bool) {
	q.mu.Lock()
	over := q.repeats.over(time.Now(), all)
	q.mu.Unlock()
	for _, o := range over {
		_ = o.inner.Handle(context.Background(), o.record)
	}
}
