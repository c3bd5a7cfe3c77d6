package session

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"overdrive/querycache"
)

// This file is about writes of which the connection was lost, or closed, before they were answered. The server's process that has
// been asked for them, the backend, may work on and commit after minutes; nobody is told. So they keep unsettled what they write
// until the backend is gone, which the keeper of the catalog asks the server. Then their transactions are over, with effect or
// without, and what is read from now on is right. A transaction that was prepared for two-phase commit has no effect before
// COMMIT PREPARED, which is a write of its own.

// A Ghost is a backend that may still be at work, though its connection is gone.
type Ghost struct {
	Backend
	marks []mark // abandoned
}

// Ghosts are those of an identity. Safe for concurrent use. The zero value has none.
type Ghosts struct {
	mu    sync.Mutex // guards the fields below
	all   []*Ghost
	pause time.Duration // until the server is asked again
}

const (
	// maxGhosts bounds the backends of an identity that are asked for. The writes of further ones stay unsettled for their time.
	maxGhosts = 1000

	ghostPause = 100 * time.Millisecond // between the first two questions; it doubles
	ghostPoll  = 5 * time.Second        // between two questions, at most

	// ghostMargin is how much younger than a connection its server must be, by the clocks of two machines, to have been restarted.
	ghostMargin = time.Second
)

// haunt notes the marks that were abandoned on a connection, and has the server asked for its backend at once.
func (o *Identity) haunt(b *Backend, marks []mark) {
	g := &Ghost{*b, marks}
	if g.ended() || g.PID == 0 || g.PID > math.MaxInt32 { // such a number is no process
		return
	}
	if o.Ghosts.add(g) {
		o.Watch.Ask()
	}
}

// ended reports whether nothing of a ghost is unsettled any more.
func (g *Ghost) ended() bool {
	return !slices.ContainsFunc(g.marks, func(w mark) bool { return !w.left.Ended() })
}

// add notes one more, unless there are too many.
func (a *Ghosts) add(g *Ghost) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) >= maxGhosts {
		return false
	}
	a.all = append(a.all, g)
	a.pause = ghostPause
	return true
}

// List returns those of whom something is unsettled still.
func (a *Ghosts) List() []*Ghost {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, (*Ghost).ended)
	return slices.Clone(a.all)
}

// Patience returns how long the next question for them can wait: for ever, if there are none.
func (a *Ghosts) Patience() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) == 0 {
		return math.MaxInt64
	}
	return a.pause
}

// SettleGhosts ends the writes of those who are gone, by what the server said at some time after asked was listed.
func (o *Identity) SettleGhosts(asked []*Ghost, at time.Time, seen *Backends) {
	for _, g := range asked {
		if seen.mayHave(g, at) {
			continue
		}
		for i := range g.marks {
			o.settleMark(&g.marks[i])
		}
	}
	a := &o.Ghosts
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, (*Ghost).ended)
	a.pause = min(2*a.pause, ghostPoll)
}

// settleMark is marks.over for a mark that was abandoned.
func (o *Identity) settleMark(w *mark) {
	if w.left.Ended() {
		return
	}
	if committing := o.Alterations.announced(nil, time.Time{}); len(committing) > 0 || o.Usual.Classifier.Version() != w.judgedAt {
		defer o.fear().End()
		w.vast = w.ddl
	}
	o.changed(w)
	w.left.End()
}

// fear begins a write of everything, where anything is kept.
func (o *Identity) fear() *querycache.Write {
	if o.Cache == nil {
		return nil
	}
	return o.Cache.BeginWrite(&unseenRun.Statement)
}

// changed tells that what a mark has changed of the catalog has taken effect, or may at any time.
func (o *Identity) changed(w *mark) {
	switch {
	case !w.ddl:
	case w.vast || w.shared:
		o.Watch.Changed(w.shared)
	default:
		o.Watch.Touched(w.touches)
	}
}

// Backends are what a server says of those that it was asked for.
type Backends struct {
	standby bool            // the server is one
	age     time.Duration   // of the server
	there   map[uint32]bool // the numbers of those that it has
}

// mayHave reports whether a ghost may be among the backends of the server that was asked at the time. A server that is younger than
// the ghost's connection uses the numbers anew. It is the server's age that counts, and not the backend's: where a clock was set
// or a machine stood still since the connection began, a ghost may seem to be younger than it is.
func (b *Backends) mayHave(g *Ghost, at time.Time) bool {
	switch {
	case b.standby && !g.Standby: // before a standby takes over, what the ghost commits elsewhere still comes to it
		return true
	case b.age+ghostMargin < at.Sub(g.Login):
		return false
	}
	return b.there[g.PID]
}

// GhostQuery asks for the backends of ghosts, and for the one that answers: its number, whether it is the one that answers, whether
// its server is a standby, and the age of the server in milliseconds.
func GhostQuery(asked []*Ghost) string {
	b := []byte(`SELECT pid, pid = pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(),
	(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time()) * 1000)::bigint
	FROM pg_catalog.pg_stat_get_activity(NULL) WHERE pid = pg_catalog.pg_backend_pid() OR pid = ANY ('{`)
	for i, g := range asked {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(g.PID), 10)
	}
	return string(append(b, "}')"...))
}

// ReadBackends reads the answer to ghostQuery, which came over a connection to the backend of that number. It returns nil if the
// numbers that the server tells at login are not those of its backends, as where a pooler stands before it: then its word means
// nothing.
func ReadBackends(rows [][]string, own uint32) *Backends {
	b := &Backends{there: make(map[uint32]bool)}
	trusted := false
	for _, row := range rows {
		if len(row) != 4 {
			return nil
		}
		pid, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			return nil
		}
		ms, err := strconv.ParseInt(row[3], 10, 48)
		if err != nil {
			return nil
		}
		b.there[uint32(pid)] = true
		b.standby = row[2] != "f"
		b.age = time.Duration(ms) * time.Millisecond
		trusted = trusted || row[1] == "t" && uint32(pid) == own
	}
	if !trusted {
		return nil
	}
	return b
}
