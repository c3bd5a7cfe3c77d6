package querycache

import (
	"slices"
	"time"

	"overdrive/querycache/classify"
)

// Status says what became of a statement; here it is added to the words of package classify.
type Status = classify.Status

// What Ask says besides the statuses of verdicts.
const (
	Hit      Status = "hit"
	Stale    Status = "stale" // answered past MaxAge, while a fresh answer is fetched
	Miss     Status = "miss"
	Disabled Status = "disabled"
	Hinted   Status = "hint"    // the statement's own comment forbids it
	Waiting  Status = "waiting" // for the answer to the same question of somebody else

	// Coalesced is for callers to say: a Hit after Waiting.
	Coalesced Status = "coalesced"
)

// Request is a statement that the cache is asked for. All of it is borrowed for the call.
type Request struct {
	Key     []byte // tells the answer from all others of the database
	Verdict *classify.Verdict
	Text    []byte         // as sent, for rules
	User    string         // the client's, for rules
	Hint    *Hint          // of the text; may be nil
	MaxAge  *time.Duration // of the session; outranks policy and rule. May be nil
	Waited  int            // how often Ask has said Waiting for this statement before
}

// maxWaits is how often a statement is made to wait. It is more than once because a write may overtake what was waited
// for, and bounded because many writes may.
const maxWaits = 3

// Waiter is one that Ask made wait.
type Waiter interface {
	// Wake is called once, from any goroutine and without any lock of the cache held, when the wait is over. Alone says
	// that waiting for somebody else again is of no use: ask the server, or Ask with no Waiter. Else Ask again.
	Wake(alone bool)
}

// Outcome is what Ask found.
type Outcome struct {
	// Status is Hit, Stale, Miss, Disabled, Hinted, Unsettled, Waiting, or the verdict's own.
	Status Status
	// Answer is that of Hit and Stale. It may be kept for ever and must not be written to.
	Answer []byte
	// Fill of a Miss: the caller must ask the server and end it; nil if the answer cannot be kept. Of Stale: nil but for one
	// caller, who must ask the server besides serving the answer, and end it.
	Fill *Fill
	// Ticket of Waiting takes the wait back.
	Ticket *Ticket
}

// Ask looks for an answer. A miss makes the caller the one who fills, and notes the state of what the answer depends on: the query must
// be sent after it. If somebody else fills the same key already, from a state that still holds, w is told when that is
// over; with w nil the caller is given a Fill of its own.
func (d *Database) Ask(r *Request, w Waiter) Outcome {
	v := r.Verdict
	p := d.policy.Load()
	switch {
	case v.Status != classify.Cacheable:
		return passedBy(v, v.Status)
	case p.never:
		return passedBy(v, Disabled)
	}
	hash, now := d.hash(r.Key), d.cache.now()
	if answer := d.quick(r, p, hash, now); answer != nil {
		countHit(v)
		return Outcome{Status: Hit, Answer: answer}
	}
	l := look{d: d, r: *r, p: p, s: d.shard(hash), hash: hash, now: now}
	for {
		switch status := l.find(); status {
		case Hit, Stale:
			if p.DryRun {
				return l.dryHit(status)
			}
			return l.hit(status)
		case Miss, classify.Unsettled:
		default:
			return passedBy(v, status)
		}
		if o, again := l.miss(w); !again {
			return o
		}
		l.now = d.cache.now()
	}
}

// quick returns the answer of a plain hit, or nil where there is more to think about. It takes no step that find and judge
// would not take, and leaves out what makes no difference to such a hit; thereby it costs half.
func (d *Database) quick(r *Request, p *policy, hash uint64, now time.Duration) []byte {
	if p.asksUsers || p.DryRun || r.Hint != nil || r.MaxAge != nil {
		return nil
	}
	s := d.shard(hash)
	var answer []byte
	s.mu.Lock()
	if slot := s.lookUp(hash, r.Key); slot != nil && slot.policy == p.version { // so it is not dry, and is not disabled
		if now-slot.born <= p.terms[slot.rule+1].maxAge && d.check(slot.dependencies()) == unchanged {
			slot.ask()
			s.hits++
			answer = slot.answer()
		}
	}
	s.mu.Unlock()
	return answer
}

// countHit counts for its shape a statement that was answered.
func countHit(v *classify.Verdict) {
	if v.Tally != nil {
		v.Tally.Calls.Add(1)
		v.Tally.Hits.Add(1)
	}
}

// passedBy counts a statement that has no business with the cache.
func passedBy(v *classify.Verdict, s Status) Outcome {
	v.Tally.PassBy()
	return Outcome{Status: s}
}

// look is one Ask under way.
type look struct {
	d    *Database
	r    Request // a copy, so that the caller's need not be on the heap
	p    *policy
	s    *shard // that of hash
	hash uint64

	now    time.Duration
	entry  entry // what find saw under the key, be it of use or not
	choice choice
	terms  terms
}

// find looks for an entry and says how it stands, see judge. An entry that is dead is dropped.
func (l *look) find() Status {
	l.entry = entry{}
	found := l.s.find(l.hash, l.r.Key, &l.entry)
	fits := found && l.p.holds(l.entry.choice, &l.r, l.d.cache.seed)
	if fits {
		l.choice = l.entry.choice
	} else {
		l.choice = l.p.choose(&l.r, l.d.cache.seed)
	}
	l.terms = l.p.termsOf(l.choice, &l.r)
	status, dead := l.judge()
	switch {
	case dead:
		if l.s.removeEntry(l.hash, &l.entry) {
			l.d.forget(&l.entry)
			l.d.stats.invalidations.Add(1)
		}
		l.entry = entry{}
	case !fits && (status == Hit || status == Stale): // quick relies on an entry having the tags of its choice
		l.s.rechoose(l.hash, &l.entry, l.choice)
	}
	return status
}

// judge says how the statement stands with the entry that was found: Hit, Stale, Miss, Unsettled, or Disabled or Hinted
// if it is not to be answered from the cache. It changes nothing. Dead is an entry that a write has overtaken.
func (l *look) judge() (status Status, dead bool) {
	hint := l.r.Hint
	switch {
	case hint != nil && hint.NoCache:
		return Hinted, false
	case !l.terms.enabled:
		return Disabled, false
	case l.terms.window() <= 0 && l.terms.hinted:
		return Hinted, false
	case l.terms.window() <= 0:
		return Disabled, false
	case l.entry.blob == nil, hint != nil && hint.Refresh, l.entry.dry && !l.p.DryRun:
		return Miss, false
	}
	deps := l.entry.dependencies()
	switch l.d.check(deps) {
	case beingWritten:
		return classify.Unsettled, false
	case changed:
		if !l.d.cache.faults.ServeStaleInvalidated {
			return Miss, true
		}
	}
	switch age := l.now - l.entry.born; {
	case !l.hasTags(deps):
		return Miss, false
	case age <= l.terms.maxAge:
		return Hit, false
	case age <= l.terms.window():
		return Stale, false
	}
	return Miss, false
}

// hasTags reports whether the entry would go with every tag that the statement has. It may lack one because it was filled
// under another policy, or without the comment.
func (l *look) hasTags(deps []byte) bool {
	for _, tag := range l.terms.tags {
		if !dependsOn(deps, tag) {
			return false
		}
	}
	return l.r.Hint == nil || !slices.ContainsFunc(l.r.Hint.Tags, func(tag string) bool {
		return !dependsOn(deps, l.d.cells.tag(tag))
	})
}

// hit serves the entry. If it is stale the caller may be the one to refresh it.
func (l *look) hit(status Status) Outcome {
	o := Outcome{Status: status, Answer: l.entry.answer()}
	l.s.countHit()
	countHit(l.r.Verdict)
	if status == Stale {
		l.d.stats.stale.Add(1)
		if t := l.r.Verdict.Tally; t != nil {
			t.Stale.Add(1)
		}
		o.Fill = l.refresh()
	}
	return o
}

// dryHit counts what would have been served. An entry that would have been refreshed is.
func (l *look) dryHit(status Status) Outcome {
	l.d.stats.dryHits.Add(1)
	if t := l.r.Verdict.Tally; t != nil {
		t.WouldHit.Add(1)
	}
	o := l.missed(Miss)
	if status == Stale {
		o.Fill, _ = l.begin()
	}
	return o
}

// missed counts a statement that the server is asked for.
func (l *look) missed(status Status) Outcome {
	l.d.stats.misses.Add(1)
	if t := l.r.Verdict.Tally; t != nil {
		t.Calls.Add(1)
		t.Misses.Add(1)
	}
	return Outcome{Status: status}
}

// miss makes the caller wait for a fill under way or gives it one of its own. Again says that somebody else has stored an
// answer meanwhile.
func (l *look) miss(w Waiter) (o Outcome, again bool) {
	l.d.settle()
	if l.p.DryRun || l.r.Waited >= maxWaits || l.r.Hint != nil && l.r.Hint.Refresh {
		w = nil
	}
	if w != nil {
		if t, again := l.join(w, nil); t != nil || again {
			return Outcome{Status: Waiting, Ticket: t}, again
		}
	}
	f, settled := l.begin()
	if !settled {
		return l.missed(classify.Unsettled), false
	}
	if f != nil && !l.p.DryRun {
		t, again := l.join(w, f)
		switch {
		case again:
			f.drop()
			return Outcome{}, true
		case t != nil:
			f.drop()
			return Outcome{Status: Waiting, Ticket: t}, false
		}
	}
	o = l.missed(Miss)
	o.Fill = f
	return o, false
}
