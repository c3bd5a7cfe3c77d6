package querycache

import (
	"slices"
	"time"

	"overdrive/querycache/classify"
)

// Write is one transaction that writes. From BeginWrite to its end nothing that depends on what it writes is served or
// filled. It belongs to one goroutine. The caller must end it by End, Withdraw or Abandon; all may be called more than once,
// the first counts. A nil *Write writes nothing, and to end it does nothing.
//
//	BeginWrite ──▶ open ──Add──▶ open ──End───────▶ ended: what was kept before is invalidated
//	                              ├──Withdraw──▶ ended: nothing has changed
//	                              └──Abandon───▶ unsettled ──SettlePeriod──▶ ended: invalidated
type Write struct {
	database *Database
	cells    []*cell  // each entered once
	few      [6]*cell // room for the first of them
	ended    bool
}

// BeginWrite opens a write of what v may change, or returns nil if that is nothing. Call it before the statement is
// sent.
func (d *Database) BeginWrite(v *classify.Verdict) *Write {
	if v.Effect == classify.EffectNone {
		return nil
	}
	w := &Write{database: d}
	w.cells = w.few[:0]
	w.Add(v)
	return w
}

// Add extends an open write by another statement of the same transaction, before that is sent. It must not be called on
// nil: where BeginWrite returned that, call it again.
func (w *Write) Add(v *classify.Verdict) {
	if w.ended {
		return
	}
	var buf [8]cellID
	var ids []cellID
	switch v.Effect {
	case classify.EffectRelations:
		ids = w.database.cells.relations(buf[:0], v.Writes)
	case classify.EffectEverything:
		ids = append(buf[:0], everything)
	}
	for _, id := range ids {
		c := w.database.cells.at(id)
		if !slices.Contains(w.cells, c) {
			c.enter()
			w.cells = append(w.cells, c)
		}
	}
}

// End tells that the transaction has ended, be it by commit or rollback, and that its outcome is visible to
// transactions that begin now. Call it when the server's answer is there and before that is forwarded: whoever has seen
// the answer must not be served what was before.
func (w *Write) End() {
	if w == nil || w.ended {
		return
	}
	w.ended = true
	if skip := w.database.cache.faults.SkipInvalidation; skip != nil && skip() {
		w.withdraw()
		return
	}
	for _, c := range w.cells {
		c.leave()
	}
	w.database.stats.invalidations.Add(1)
}

// Withdraw tells that the transaction has certainly been rolled back, with all that w was told of. What was fresh before it
// is fresh again. Call it only for a transaction block that BEGIN had opened: outside of one, a procedure or a text of several
// statements may have committed some of its work before it failed. In doubt call End.
func (w *Write) Withdraw() {
	if w == nil || w.ended {
		return
	}
	w.ended = true
	w.withdraw()
}

func (w *Write) withdraw() {
	for _, c := range w.cells {
		c.withdraw()
	}
}

// Abandon tells that it is not known whether and when the transaction commits, as after the connection broke. What it
// writes stays unsettled for the SettlePeriod.
func (w *Write) Abandon() {
	if w == nil || w.ended {
		return
	}
	w.ended = true
	d := w.database
	d.mu.Lock()
	defer d.mu.Unlock()
	d.abandoned = append(d.abandoned, abandoned{d.cache.now() + d.cache.settlePeriod, w.cells})
	d.stats.abandoned.Store(int64(len(d.abandoned)))
}

// abandoned is a write whose outcome is not known; its cells keep their writer until the deadline.
type abandoned struct {
	deadline time.Duration
	cells    []*cell
}

// settle ends the abandoned writes whose time has come. It is called where a writer would be in the way, so no timer is
// needed.
func (d *Database) settle() {
	if d.stats.abandoned.Load() == 0 {
		return
	}
	now := d.cache.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.abandoned) > 0 && d.abandoned[0].deadline <= now {
		for _, c := range d.abandoned[0].cells {
			c.leave()
		}
		d.abandoned = d.abandoned[1:]
	}
	d.stats.abandoned.Store(int64(len(d.abandoned)))
}
