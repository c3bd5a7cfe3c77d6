package querycache

import (
	"time"

	"overdrive/querycache/classify"
)

// Inspection says how a statement would be treated.
type Inspection struct {
	Status               Status // what Ask would say, with Miss in place of Waiting
	Enabled, DryRun      bool
	Rule                 int // index of the rule that matched, -1 none
	MaxAge               time.Duration
	StaleWhileRevalidate time.Duration
	Tags                 []string // of the rule, then of the comment
	Kept                 bool     // there is an entry under the key, be it of use or not; then
	Age                  time.Duration
	Bytes                int64 // of the answer
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
	}
	l.s.mu.Lock()
	if slot := l.s.lookUp(l.hash, r.Key); slot != nil {
		l.entry, i.Kept = slot.entry, true
	}
	l.s.mu.Unlock()
	if i.Kept {
		i.Age, i.Bytes = l.now-l.entry.born, int64(len(l.entry.answer()))
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
	v := l.r.Verdict
	if v.Status != classify.Cacheable {
		return v.Status
	}
	status, _ := l.judge()
	if l.p.DryRun && (status == Hit || status == Stale) {
		status = Miss
	}
	if _, settled := l.d.cells.note(nil, l.cells(nil)); status == Miss && !settled {
		status = classify.Unsettled
	}
	return status
}
