package querycache

import (
	"time"

	"overdrive/querycache/verdict"
)

// Inspection says how a statement would be treated.
type Inspection struct {
	Status               Status // what Ask would say, with Miss in place of Waiting
	Enabled, DryRun      bool
	Rule                 int // index of the rule that matched, -1 none
	MaxAge               time.Duration
	StaleWhileRevalidate time.Duration
	Tags                 []string      // of the rule, then of the comment
	Clock                time.Duration // see Rule.Clock
}

// Inspect tells how a statement would be treated. It counts nothing and changes nothing.
func (d *Database) Inspect(r *Request) Inspection {
	hash := d.hash(r.Key)
	l := look{d: d, r: *r, p: d.policy.Load(), s: d.shard(hash), hash: hash, now: d.cache.now()}
	l.choice = l.p.choose(r, d.cache.seed)
	l.terms = l.p.termsOf(l.choice, r)
	i := Inspection{
		Enabled: l.terms.enabled, DryRun: l.p.DryRun, Rule: int(l.choice.rule),
		MaxAge: l.terms.maxAge, StaleWhileRevalidate: l.terms.swr, Tags: l.tags(),
		Clock: l.terms.clock,
	}
	i.Status = l.foretell()
	return i
}

// tags returns the names of the tags that an answer gets.
func (l *look) tags() []string {
	var tags []string
	if l.choice.rule >= 0 {
		tags = append(tags, l.p.Rules[l.choice.rule].Tags...)
	}
	if l.r.Hint != nil {
		tags = append(tags, l.r.Hint.Tags...)
	}
	return tags
}

// foretell returns what Ask would say.
func (l *look) foretell() Status {
	l.s.mu.Lock()
	var blob []byte
	if slot := l.s.lookUp(l.hash, l.r.Key); slot != nil {
		l.entry, l.serial, blob = slot.entry, slot.serial, l.s.blob(slot)
	}
	status, _ := l.judge(blob)
	l.s.mu.Unlock()
	if v := l.r.Verdict; v.Status != verdict.Cacheable && !(v.Clock && l.terms.clock > 0) {
		return v.Status
	}
	if l.p.DryRun && (status == Hit || status == Stale) {
		status = Miss
	}
	if _, settled := l.d.cells.note(nil, l.cells(nil)); status == Miss && !settled {
		status = verdict.Unsettled
	}
	return status
}
