package querycache

import (
	"slices"
	"time"

	"overdrive/querycache/verdict"
)

// Write is one transaction that writes. From BeginWrite to its end nothing that depends on what it writes is served or
// filled. It belongs to one goroutine. The caller must end it by End, Withdraw or Abandon; all may be called more than once,
// the first counts. A nil *Write writes nothing, and to end it does nothing.
//
//	BeginWrite ──▶ open ──Add──▶ open ──End───────▶ ended: what was kept before is invalidated
//	                              ├──Withdraw──▶ ended: nothing has changed
//	                              └──Abandon───▶ unsettled ──SettlePeriod, or Abandoned.End──▶ ended: invalidated
type Write struct {
	database *Database
	cells    []*cell  // each entered once
	few      [6]*cell // room for the first of them
	ended    bool
}

// BeginWrite opens a write of what v may change, or returns nil if that is nothing. Call it before the statement is
// sent.
func (d *Database) BeginWrite(v *verdict.Statement) *Write {
	if v.Effect == verdict.EffectNone {
		return nil
	}
	w := &Write{database: d}
	d.stats.writing.Add(1)
	w.cells = w.few[:0]
	w.Add(v)
	return w
}

// Add extends an open write by another statement of the same transaction, before that is sent. It must not be called on
// nil: where BeginWrite returned that, call it again.
func (w *Write) Add(v *verdict.Statement) {
	if w.ended {
		return
	}
	var buf [8]cellID
	var ids []cellID
	switch v.Effect {
	case verdict.EffectRelations:
		ids = w.database.cells.relations(w.database.cells.relations(buf[:0], v.Writes), v.Names)
	case verdict.EffectEverything:
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

// Covers reports whether answers that depend on the relation are kept out of the cache by the write.
func (w *Write) Covers(id verdict.RelationID) bool {
	if w == nil || w.ended {
		return false
	}
	return slices.ContainsFunc(append(w.database.cells.relations(nil, []verdict.RelationID{id}), everything), func(one cellID) bool {
		return slices.Contains(w.cells, w.database.cells.at(one))
	})
}

// End tells that the transaction has ended, be it by commit or rollback, and that its outcome is visible to
// transactions that begin now. Call it when the server's answer is there and before that is forwarded: whoever has seen
// the answer must not be served what was before.
func (w *Write) End() {
	if w == nil || w.ended {
		return
	}
	w.close()
	if skip := w.database.cache.faults.SkipInvalidation; skip != nil && skip() {
		w.withdraw()
		return
	}
	for _, c := range w.cells {
		c.leave()
	}
	if len(w.cells) > 0 {
		w.database.stats.invalidations.Add(1)
	}
}

// Withdraw tells that the transaction has certainly been rolled back, with all that w was told of. What was fresh before it
// is fresh again. Call it only for a transaction block that BEGIN had opened: outside of one, a procedure or a text of several
// statements may have committed some of its work before it failed. In doubt call End.
func (w *Write) Withdraw() {
	if w == nil || w.ended {
		return
	}
	w.close()
	w.withdraw()
}

func (w *Write) close() {
	w.ended = true
	w.database.stats.writing.Add(-1)
}

func (w *Write) withdraw() {
	for _, c := range w.cells {
		c.withdraw()
	}
}

// Abandon tells that it is not known whether and when the transaction commits, as after the connection broke. What it
// writes stays unsettled for the SettlePeriod, or until that is known, which the caller tells by what is returned: nil if w
// has ended, or writes nothing.
func (w *Write) Abandon() *Abandoned {
	if w == nil || w.ended {
		return nil
	}
	w.close()
	d := w.database
	d.settle()
	d.mu.Lock()
	defer d.mu.Unlock()
	deadline := d.cache.now() + d.cache.settlePeriod
	if len(d.abandoned) >= maxAbandoned {
		d.abandoned = slices.DeleteFunc(d.abandoned, func(a *Abandoned) bool { return a.cells == nil })
	}
	if len(d.abandoned) >= maxAbandoned {
		d.joinLocked(w.cells, deadline)
		return nil
	}
	a := &Abandoned{database: d, deadline: deadline, cells: w.cells}
	d.abandoned = append(d.abandoned, a)
	d.stats.abandoned.Add(1)
	return a
}

// maxAbandoned bounds the abandoned writes of a database that are kept apart. Further ones are one, which covers the whole database
// and lasts as long as the last of them.
const maxAbandoned = 4096

// joinLocked adds what one more covers to the writes that are not kept apart.
func (d *Database) joinLocked(cells []*cell, deadline time.Duration) {
	if d.joined == nil {
		all := d.cells.at(everything)
		all.enter()
		d.joined = &Abandoned{database: d, cells: []*cell{all}}
		d.stats.abandoned.Add(1)
	}
	d.joined.deadline = deadline
	for _, c := range cells {
		c.leave()
	}
}

// An Abandoned is a write whose outcome is not known; its cells keep their writer until it ends. Its methods may be called from
// any goroutine, also on nil, which has ended.
type Abandoned struct {
	database *Database
	deadline time.Duration
	cells    []*cell // nil: it has ended; guarded by Database.mu
}

// End tells that the transaction is over after all, be it by commit or rollback, and that its outcome is visible to transactions
// that begin now. What was kept before is invalidated.
func (a *Abandoned) End() {
	if a == nil {
		return
	}
	d := a.database
	d.mu.Lock()
	defer d.mu.Unlock()
	a.leave()
	d.strikeOff()
}

// Ended reports whether the write keeps nothing unsettled any more.
func (a *Abandoned) Ended() bool {
	if a == nil {
		return true
	}
	a.database.settle()
	a.database.mu.Lock()
	defer a.database.mu.Unlock()
	return a.cells == nil
}

// leave ends the write. Call it with Database.mu held.
func (a *Abandoned) leave() {
	if a.cells == nil {
		return
	}
	for _, c := range a.cells {
		c.leave()
	}
	a.cells = nil
	a.database.stats.invalidations.Add(1)
	a.database.stats.abandoned.Add(-1)
}

// settle ends the abandoned writes whose time has come. It is called where a writer would be in the way, and where another write
// is abandoned, so no timer is needed.
func (d *Database) settle() {
	if d.stats.abandoned.Load() == 0 {
		return
	}
	now := d.cache.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.abandoned {
		if a.deadline > now {
			break
		}
		a.leave()
	}
	if d.joined != nil && d.joined.deadline <= now {
		d.joined.leave()
		d.joined = nil
	}
	d.strikeOff()
}

// strikeOff forgets the oldest abandoned writes, as far as they have ended. Call it with mu held.
func (d *Database) strikeOff() {
	for len(d.abandoned) > 0 && d.abandoned[0].cells == nil {
		d.abandoned[0] = nil
		d.abandoned = d.abandoned[1:]
	}
}
