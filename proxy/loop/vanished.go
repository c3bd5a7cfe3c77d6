package loop

import (
	"errors"
	"time"
)

// This file notices peers that are gone without a word while something is on its way to them. The kernel's keep-alive probes
// notice the others, but are not sent while data waits for its acknowledgement; by itself TCP repeats such data for a quarter
// of an hour. The kernel's own limit for that, TCP_USER_TIMEOUT, also ends connections whose peer is alive, answers each probe
// of its full window, and reads nothing for the time being, as a server does whose COPY waits for a lock. So the loop
// asks, now and then, about the conns to which it has sent something.

// ErrVanished is the error of a conn whose peer has acknowledged nothing for Options.Vanished.
var ErrVanished = errors.New("peer has vanished: it acknowledges nothing")

const (
	rounds       = 6   // of questions until Vanished is over
	askedAtATime = 500 // conns, so that the loop is not held up; the rest is asked a moment later
	betweenParts = 20 * time.Millisecond
	mostRepeats  = 3 // without an answer are not yet an accident
)

// delivery is what the kernel knows of the bytes that were sent to a peer.
type delivery struct {
	waiting bool          // some were not acknowledged yet
	quiet   time.Duration // since the last acknowledgement of anything
	repeats int           // of data, or of a probe of a full window, since then
	limited bool          // the kernel has a limit of its own for that
}

// vanishing is the loop's rounds of questions.
type vanishing struct {
	running bool
	next    int // slot of the table at which the round goes on
	more    bool
}

// sent notes that bytes went out to c, and that its peer has yet to acknowledge them.
func (c *Conn) sent() {
	c.flags |= flagSent
	if l := c.loop; !l.vanishing.running && l.o.Vanished > 0 {
		l.vanishing.running = true
		l.askAfter(l.o.Vanished / rounds)
	}
}

// askAfter has askPeers run once d has passed. A timer of the loop would do as well, but a loop with a timer reads the clock in
// every turn, and in a loop that has conns some part of a round is nearly always ahead.
func (l *Loop) askAfter(d time.Duration) {
	time.AfterFunc(d, func() { l.Post(l.askPeers) })
}

// askPeers asks about a part of the conns, and sets the time of the next part, as long as there is something to ask.
func (l *Loop) askPeers() {
	v := &l.vanishing
	asked := 0
	for ; v.next < len(l.table.slots) && asked < askedAtATime; v.next++ {
		if c := l.table.slots[v.next]; c != nil && c.flags&flagSent != 0 {
			asked++
			l.askPeer(c)
			v.more = v.more || c.flags&flagSent != 0
		}
	}
	switch {
	case v.next < len(l.table.slots):
		l.askAfter(betweenParts)
	case v.more:
		v.next, v.more = 0, false
		l.askAfter(l.o.Vanished / rounds)
	default:
		*v = vanishing{}
	}
}

// askPeer closes c if its peer has acknowledged nothing for so many rounds. A peer that is alive answers repeated data, and
// probes of its full window, however long it does not read.
func (l *Loop) askPeer(c *Conn) {
	d := l.deliveryOf(&c.sock)
	switch {
	case !d.waiting:
		c.flags &^= flagSent
		c.silent = 0
	case d.quiet < l.o.Vanished/rounds || d.repeats == 0 || d.limited:
		c.silent = 0
	case c.silent+1 < rounds || d.repeats < mostRepeats:
		c.silent = min(c.silent+1, rounds)
	default:
		l.fail(c, ErrVanished)
	}
}
