package pool

import "time"

// Stats is a consistent snapshot of a pool.
type Stats struct {
	Size, Open                       int // Open = Dialing + Idle + Leased + Resetting
	Dialing, Idle, Leased, Resetting int
	Reserved                         int // slots held for others' connections, which count within Size
	Stale                            int // of Open: from before the last Reconnect

	Waiting    int
	OldestWait time.Duration // how long the oldest waiter has waited; 0 without waiters
	Paused     bool
	LastDial   error // why the last login failed; nil if it succeeded or there was none

	Counters
}

// Counters count since the pool was made.
type Counters struct {
	Acquires     uint64
	Waits        uint64        // Acquires that were queued
	WaitTime     time.Duration // what those that left the queue had waited, however it ended
	Timeouts     uint64        // waiters refused with a *WaitTimeoutError
	Refusals     uint64        // waiters refused for any other reason
	Cancels      uint64        // waiters taken out by Cancel
	Dials        uint64        // logins begun
	DialFailures uint64

	// Closes counts the connections that left, by CloseReason.
	Closes [closeReasons]uint64
}

// Add adds the counters of another pool to c.
func (c *Counters) Add(o *Counters) {
	c.Acquires += o.Acquires
	c.Waits += o.Waits
	c.WaitTime += o.WaitTime
	c.Timeouts += o.Timeouts
	c.Refusals += o.Refusals
	c.Cancels += o.Cancels
	c.Dials += o.Dials
	c.DialFailures += o.DialFailures
	for why, n := range o.Closes {
		c.Closes[why] += n
	}
}

// Stats returns a snapshot.
func (p *Pool[C]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{
		Size:      p.limits.Size,
		Open:      p.connsLocked(),
		Dialing:   p.count[Dialing],
		Idle:      p.count[Idle],
		Leased:    p.count[Leased],
		Resetting: p.count[Resetting],
		Reserved:  len(p.reserved),
		Stale:     p.stale,
		Waiting:   p.waiters.callers(),
		Paused:    p.paused,
		LastDial:  p.lastDial,
		Counters:  p.counters,
	}
	if w := p.waiters.caller(0); w != nil {
		s.OldestWait = p.now().sub(w.since)
	}
	return s
}
