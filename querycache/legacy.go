package querycache

import "overdrive/querycache/classify"

// Entry is an answer that Get returned.
type Entry []byte

// Bytes returns the answer.
func (e Entry) Bytes() []byte { return e }

// Get looks for the answer kept under key.
func (d *Database) Get(key []byte, v *classify.Verdict) (Entry, Status) {
	if v.Status != classify.Cacheable {
		return nil, v.Status
	}
	r := Request{Key: key, Verdict: v}
	l := d.look(&r, d.policy.Load())
	switch status := l.find(); status {
	case Hit:
		return l.hit(status).Answer, Hit
	case Miss, Stale, classify.Unsettled:
		d.settle()
		if _, settled := d.cells.note(nil, append(d.cells.relations(nil, v.Reads), everything)); !settled {
			return nil, l.missed(classify.Unsettled).Status
		}
		return nil, l.missed(Miss).Status
	default:
		return nil, status
	}
}

// Begin starts to collect the answer to be kept under key.
func (d *Database) Begin(key []byte, v *classify.Verdict) *Fill {
	r := Request{Key: key, Verdict: v}
	l := d.look(&r, d.policy.Load())
	l.choice = l.p.choose(&r, d.cache.seed)
	l.terms = l.p.termsOf(l.choice, &r)
	if v.Status != classify.Cacheable || !l.terms.enabled {
		return nil
	}
	d.settle()
	f, _ := l.begin()
	return f
}
