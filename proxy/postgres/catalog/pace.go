package catalog

import (
	"context"
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/session"
)

// This file says when a keeper looks, and how long it may.

// How often the catalog is looked at.
const (
	lookPause = 200 * time.Millisecond // between two looks that were asked for
	lookPoll  = 5 * time.Second        // between two looks for DDL and GRANT that went around the proxy
	lookLimit = 30 * time.Second       // for one look
	// earlyPoll is when the keeper begins to wait for a slot where it had to give its own away.
	earlyPoll = 3 * time.Second
	restAfter = time.Minute            // without a client, until the keeper hangs up
	byeLimit  = 500 * time.Millisecond // for the server to hang up
	// worthRate is how many leases a second make a catalog worth a connection of a full pool where nothing is cached.
	worthRate = 20
)

// For how long a look may go on while a client waits for its slot.
const (
	firstGrace = time.Second            // the first look: before it hardly anything is cached, and nearly every lease costs a wash
	leastGrace = 250 * time.Millisecond // every later look, at least
	mostGrace  = 10 * time.Second       // every look, at most
)

// pace is what decides when a keeper looks, and how long it may.
type pace struct {
	grace   grace       // of a look
	leasing leasing     // at the last look
	needy   atomic.Bool // clients needed the slot at the last look
	came    uint64      // sessions, at the last look
	busy    time.Time   // when there last was one
}

// A grace is how long a look may go on while a client waits for its slot: now, and at most.
type grace struct{ now, most time.Duration }

// begin leaves a client who waits for as long as clients may some time to be served in.
func (g *grace) begin(waitTimeout time.Duration) {
	g.most = mostGrace
	if waitTimeout > 0 {
		g.most = min(mostGrace, waitTimeout/2)
	}
	g.now = min(firstGrace, g.most)
}

func (g *grace) double() { g.now = min(2*g.now, g.most) }

// fit allows the next look twice the time that this one took. After a quick look the grace is halved, and not less: most looks only
// compare fingerprints, and the next one may have to read the whole catalog.
func (g *grace) fit(took time.Duration) { g.now = min(max(2*took, g.now/2, leastGrace), g.most) }

// leasing is how many leases the pool had handed out at some time.
type leasing struct {
	leases  uint64
	counted time.Time
}

// poll returns how long the next look can wait.
func (k *Keeper) poll() time.Duration {
	pause := lookPoll
	if k.needy.Load() {
		pause = earlyPoll
	}
	return min(pause, k.identity.Ghosts.Patience())
}

// idle reports whether nobody was logged in for so long that the server is to be left in peace.
func (k *Keeper) idle() bool {
	came := k.given.Company.Arrived()
	if k.given.Company.Present() > 0 || came != k.came {
		k.came, k.busy = came, time.Now()
	}
	return !k.busy.IsZero() && time.Since(k.busy) >= restAfter
}

// worthwhile reports whether a look is worth a client's connection, should it cost one. Where nothing is cached the catalog only
// saves questions, and few are asked where little happens; but the first look tells whether there is code that sets parameters, which have to follow whoever
// changes servers.
func (k *Keeper) worthwhile(now time.Time) bool {
	if k.identity.Cache != nil || k.conn != nil || k.identity.Mode != session.SessionPooling && k.known == nil {
		return true
	}
	s := k.given.Pool.Stats()
	rate := float64(s.Acquires-k.leasing.leases) / max(now.Sub(k.leasing.counted).Seconds(), 0.1)
	k.leasing = leasing{s.Acquires, now}
	return s.Open+s.Reserved < s.Size || rate >= worthRate
}

// wait returns true when the time is up or the signal came, false when ctx ended.
func wait(ctx context.Context, d time.Duration, signal <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-signal:
		return true
	case <-ctx.Done():
		return false
	}
}
