package querycache

import (
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"time"

	"overdrive/querycache/verdict"
)

// Policy says what is kept of a database, and for how long.
type Policy struct {
	Enabled bool
	// DryRun: look and count, but keep no answers. Only keys are kept, to tell what would have been a hit.
	DryRun bool
	// InTransactions: the first reads of a transaction may be answered from the cache, as long as no server knows of the transaction.
	// It is for the protocol to see to that.
	InTransactions bool
	// Trusted names functions of the database whose word counts: it is for the dialect to say what that means.
	Trusted []string
	// MaxAge is how long an answer is served, counted from before its query was sent.
	MaxAge time.Duration
	// StaleWhileRevalidate is how long after MaxAge an answer that no write has overtaken is still served while a
	// fresh one is fetched.
	StaleWhileRevalidate time.Duration
	MaxResult            int64 // bytes of one answer; 0: bounded only by the memory for fills in progress
	// Floor is how many bytes of entries the other databases cannot push out.
	Floor int64
	// Rules make exceptions. The first that matches counts.
	Rules []Rule
}

// Rule is an exception from a policy. A condition that is empty matches everything; a setting that is nil leaves the
// policy's.
type Rule struct {
	Tables       []string       // "name" or "schema.name": the statement reads one of them
	Match        *regexp.Regexp // matches the statement's text as sent
	Fingerprints []uint64       // the shape is one of them
	Users        []string       // the client's user is one of them

	Enabled              *bool
	MaxAge               *time.Duration
	StaleWhileRevalidate *time.Duration
	Tags                 []string // by which answers can be purged together
	// Clock is how exact the time must be that a statement reads: the answer of one that reads the clock is kept and served until the
	// period ends in which it was asked for. Periods follow each other from midnight of 1970-01-01 UTC. 0: exact, and then nothing is kept.
	Clock *time.Duration
}

// policy is a Policy with what can be worked out ahead. It never changes.
type policy struct {
	Policy
	version   uint32
	never     bool    // neither the policy nor a rule lets anything be kept
	asksUsers bool    // some rule has a condition on the user
	clocks    bool    // some rule says how exact the time must be
	terms     []terms // [0] where no rule matches, [i+1] of rule i
}

// terms are what a policy and its rules grant a statement.
type terms struct {
	enabled     bool
	maxAge, swr time.Duration
	hinted      bool          // maxAge is of the statement's own comment
	clock       time.Duration // see Rule.Clock
	tags        []cellID
}

// window returns the age up to which an answer may be served at all.
func (t *terms) window() time.Duration { return t.maxAge + t.swr }

// choice is which rule counts for an answer. It is noted in the entry, so that a hit evaluates no rule.
type choice struct {
	policy uint32 // version of the policy
	rule   int32  // -1: none
	user   uint64 // hash of the user whom it was made for, where that matters
}

// SetPolicy changes the policy, also for what is kept already.
func (d *Database) SetPolicy(p Policy) {
	n := &policy{Policy: p, never: !p.Enabled, terms: make([]terms, 1+len(p.Rules))}
	n.Rules = slices.Clone(p.Rules)
	n.terms[0] = terms{enabled: p.Enabled, maxAge: p.MaxAge, swr: p.StaleWhileRevalidate}
	for i := range n.Rules {
		r := &n.Rules[i]
		n.terms[i+1] = r.terms(n.terms[0], &d.cells)
		n.never = n.never && !n.terms[i+1].enabled
		n.clocks = n.clocks || n.terms[i+1].clock > 0
		n.asksUsers = n.asksUsers || len(r.Users) > 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.versions++
	n.version = d.versions
	d.policy.Store(n)
}

// terms returns t with the settings of r in place of its own.
func (r *Rule) terms(t terms, cells *cellTable) terms {
	if r.Enabled != nil {
		t.enabled = *r.Enabled
	}
	if r.MaxAge != nil {
		t.maxAge = *r.MaxAge
	}
	if r.StaleWhileRevalidate != nil {
		t.swr = *r.StaleWhileRevalidate
	}
	if r.Clock != nil {
		t.clock = *r.Clock
	}
	for _, tag := range r.Tags {
		t.tags = append(t.tags, cells.tag(tag))
	}
	return t
}

// choose finds the rule that counts for r.
func (p *policy) choose(r *Request, seed maphash.Seed) choice {
	c := choice{policy: p.version, rule: -1}
	if p.asksUsers {
		c.user = maphash.String(seed, r.User)
	}
	for i := range p.Rules {
		if p.Rules[i].matches(r) {
			c.rule = int32(i)
			break
		}
	}
	return c
}

// holds reports whether a choice noted earlier is what choose would return now.
func (p *policy) holds(c choice, r *Request, seed maphash.Seed) bool {
	return c.policy == p.version && (!p.asksUsers || c.user == maphash.String(seed, r.User))
}

func (r *Rule) matches(q *Request) bool {
	switch {
	case len(r.Users) > 0 && !slices.Contains(r.Users, q.User):
		return false
	case len(r.Fingerprints) > 0 && !slices.Contains(r.Fingerprints, q.Verdict.Fingerprint):
		return false
	case len(r.Tables) > 0 && !r.reads(q.Verdict):
		return false
	}
	return r.Match == nil || r.Match.Match(q.Text)
}

// reads reports whether the statement reads one of the rule's tables.
func (r *Rule) reads(v *verdict.Statement) bool {
	for _, table := range v.Tables {
		_, bare, _ := strings.Cut(table, ".")
		if slices.Contains(r.Tables, table) || slices.Contains(r.Tables, bare) {
			return true
		}
	}
	return false
}

// termsOf returns what is granted to r under the choice: the statement's comment outranks the session, and the session
// outranks the rule.
func (p *policy) termsOf(c choice, r *Request) terms {
	t := p.terms[c.rule+1]
	if r.MaxAge != nil {
		t.maxAge = *r.MaxAge
	}
	if h := r.Hint; h != nil {
		if h.MaxAge != nil {
			t.maxAge, t.hinted = *h.MaxAge, true
		}
		if h.StaleWhileRevalidate != nil {
			t.swr = *h.StaleWhileRevalidate
		}
		if h.Clock != nil {
			t.clock = *h.Clock
		}
	}
	return t
}

// mayRound reports whether somebody may have said how exact the time must be that r reads.
func (p *policy) mayRound(r *Request) bool {
	return r.Verdict.Clock && (p.clocks || r.Hint != nil && r.Hint.Clock != nil)
}

// samePeriod reports whether two moments lie in one period of a clock.
func (c *Cache) samePeriod(clock, a, b time.Duration) bool {
	return (c.epoch+a)/clock == (c.epoch+b)/clock
}
