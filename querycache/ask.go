package querycache

import (
	"slices"
	"time"

	"overdrive/querycache/verdict"
)

// Status says what became of a statement; here it is added to the words of package verdict.
type Status = verdict.Status

// What Ask says besides the statuses of verdicts.
const (
	Hit      Status = "hit"
	Stale    Status = "stale" // answered past MaxAge, while a fresh answer is fetched
	Miss     Status = "miss"
	Disabled Status = "disabled"
	Hinted   Status = "hint"    // the statement's own comment forbids it
	Waiting  Status = "waiting" // for the answer to the same question of somebody else
)

// Request is a statement that the cache is asked for. All of it is borrowed for the call.
type Request struct {
	Key     []byte // tells the answer from all others of the database
	Verdict *verdict.Statement
	Text    []byte         // as sent, for rules
	User    string         // the client's, for rules
	Hint    *Hint          // of the text; may be nil
	MaxAge  *time.Duration // of the session; outranks policy and rule. May be nil
	Waited  int            // how often Ask has said Waiting for this statement before

	// Room is where small answers are copied to: Ask appends to it, and Outcome.Answer is what it appended.
	Room []byte
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
	// Answer is that of Hit and Stale, copied to Request.Room; nil where Held is set.
	Answer []byte
	// Held is the answer of Hit and Stale if that is large. The caller must release it when nobody reads it any more: until then it
	// counts against the memory of all, and afterwards other answers are written to the same place.
	Held *Held
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
	case v.Status != verdict.Cacheable && !p.mayRound(r):
		return passedBy(v, v.Status)
	case p.never:
		return passedBy(v, Disabled)
	}
	hash, now := d.hash(r.Key), d.cache.now()
	if answer, held := d.quick(r, p, hash, now); answer != nil || held != nil {
		countHit(v)
		return Outcome{Status: Hit, Answer: answer, Held: held}
	}
	l := look{d: d, r: *r, p: p, s: d.shard(hash), hash: hash, now: now}
	for {
		switch status := l.find(); status {
		case Hit, Stale:
			if p.DryRun {
				return l.dryHit(status)
			}
			r.Room = l.r.Room
			return l.hit(status)
		case Miss, verdict.Unsettled:
			if l.crowded {
				return l.missed(Miss)
			}
		default:
			return passedBy(v, status)
		}
		if o, again := l.miss(w); !again {
			return o
		}
		l.now = d.cache.now()
	}
}

// quick returns the answer of a plain hit, or none where there is more to think about. It takes no step that find and judge
// would not take, and leaves out what makes no difference to such a hit; thereby it costs half.
func (d *Database) quick(r *Request, p *policy, hash uint64, now time.Duration) (answer []byte, held *Held) {
	if p.asksUsers || p.DryRun || r.Verdict.Clock || r.Hint != nil || r.MaxAge != nil {
		return nil, nil
	}
	s := d.shard(hash)
	s.mu.Lock()
	if slot := s.lookUp(hash, r.Key); slot != nil && slot.policy == p.version { // so it is not dry, and is not disabled
		blob := s.blob(slot)
		if now-slot.born <= p.terms[slot.rule+1].maxAge && d.check(slot.dependencies(blob)) == unchanged {
			if answer, held = s.handOut(slot, blob, r); answer != nil || held != nil {
				slot.ask()
				s.hits++
			}
		}
	}
	s.mu.Unlock()
	return answer, held
}

// handOut returns the answer in the slot: a small one copied to r.Room, a large one to be released. There is none if a large one
// cannot be had because those who hold answers hold too much.
func (s *shard) handOut(slot *slot, blob []byte, r *Request) (answer []byte, held *Held) {
	if slot.large != 0 {
		if held = s.large.at(slot.large); !held.hold() {
			return nil, nil
		}
		return nil, held
	}
	from := slot.answer(blob)
	if r.Room == nil {
		r.Room = make([]byte, 0, len(from))
	}
	start := len(r.Room)
	r.Room = append(r.Room, from...)
	return r.Room[start:len(r.Room):len(r.Room)], nil
}

// countHit counts for its shape a statement that was answered.
func countHit(v *verdict.Statement) {
	if v.Tally != nil {
		v.Tally.Calls.Add(1)
		v.Tally.Hits.Add(1)
	}
}

// passedBy counts a statement that has no business with the cache.
func passedBy(v *verdict.Statement, s Status) Outcome {
	v.Tally.PassBy()
	if t := v.Tally; t != nil && s == Disabled {
		t.Disabled.Add(1)
	} else if t != nil && s == Hinted {
		t.Hinted.Add(1)
	}
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
	entry  entry  // what was found under the key, be it of use or not
	serial uint64 // of it; 0: nothing was found
	choice choice
	terms  terms

	answer  []byte        // of a hit
	held    *Held         // of a hit, if it is large
	crowded bool          // it would be a hit, but those who hold answers hold too much
	expired time.Duration // age of an answer that is too old; 0: there is none
}

// find looks for an entry and says how it stands, see judge. An entry that is dead is dropped, and of one that is of use the answer
// is taken.
func (l *look) find() Status {
	l.peek()
	fits := l.serial != 0 && l.p.holds(l.entry.choice, &l.r, l.d.cache.seed)
	if fits {
		l.choice = l.entry.choice
	} else {
		l.choice = l.p.choose(&l.r, l.d.cache.seed)
	}
	l.terms = l.p.termsOf(l.choice, &l.r)
	status, dead := l.fetch(fits)
	if dead.size > 0 {
		l.d.forget(&dead)
		l.d.stats.invalidations.Add(1)
	}
	l.expired = 0
	if age := l.now - l.entry.born; status == Miss && l.serial != 0 && age > l.terms.window() {
		l.expired = age
	}
	return status
}

// peek notes what is known of the entry of the key.
func (l *look) peek() {
	l.entry, l.serial, l.crowded = entry{}, 0, false
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if slot := l.s.lookUp(l.hash, l.r.Key); slot != nil {
		slot.ask()
		l.entry, l.serial = slot.entry, slot.serial
	}
}

// fetch judges the entry that peek saw, if it is still there, and takes its answer if it is a hit. Fits says that the entry has the
// choice that counts for it now.
func (l *look) fetch(fits bool) (status Status, dead gone) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.idOf(l.hash, l.serial)
	if id == 0 {
		l.entry, l.serial = entry{}, 0
		status, _ = l.judge(nil)
		return status, gone{}
	}
	slot := s.log.at(id)
	blob := s.blob(slot)
	status, isDead := l.judge(blob)
	switch {
	case isDead:
		dead = s.remove(id)
		s.tidy()
		l.entry, l.serial = entry{}, 0
	case status != Hit && status != Stale:
	default:
		if !fits { // quick relies on an entry having the tags of its choice
			slot.choice = l.choice
		}
		if !l.p.DryRun {
			l.take(slot, blob)
		}
		if l.crowded {
			status = Miss
		}
	}
	return status, dead
}

// take has the answer handed out.
func (l *look) take(slot *slot, blob []byte) {
	l.answer, l.held = l.s.handOut(slot, blob, &l.r)
	l.crowded = l.answer == nil && l.held == nil
	if !l.crowded {
		l.s.hits++
	}
}

// judge says how the statement stands with the entry that was found, whose blob is given: Hit, Stale, Miss, Unsettled, or Disabled
// or Hinted if it is not to be answered from the cache. It changes nothing. Dead is an entry that a write has overtaken.
func (l *look) judge(blob []byte) (status Status, dead bool) {
	hint := l.r.Hint
	switch {
	case l.r.Verdict.Clock && l.terms.clock <= 0:
		return l.r.Verdict.Status, false
	case hint != nil && hint.NoCache:
		return Hinted, false
	case !l.terms.enabled:
		return Disabled, false
	case l.terms.window() <= 0 && l.terms.hinted:
		return Hinted, false
	case l.terms.window() <= 0:
		return Disabled, false
	case l.serial == 0, hint != nil && hint.Refresh, l.entry.dry && !l.p.DryRun:
		return Miss, false
	}
	deps := l.entry.dependencies(blob)
	switch l.d.check(deps) {
	case beingWritten:
		return verdict.Unsettled, false
	case changed:
		if !l.d.cache.faults.ServeStaleInvalidated {
			return Miss, true
		}
	}
	switch age := l.now - l.entry.born; {
	case !l.hasTags(deps):
		return Miss, false
	case l.r.Verdict.Clock && !l.d.cache.samePeriod(l.terms.clock, l.entry.born, l.now):
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
	o := Outcome{Status: status, Answer: l.answer, Held: l.held}
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
		if l.expired > 0 {
			t.Expired.Add(1)
			t.ExpiredAge.Add(int64(l.expired))
		}
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
		return l.missed(verdict.Unsettled), false
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
