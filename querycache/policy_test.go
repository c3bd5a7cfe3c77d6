package querycache

import (
	"regexp"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func TestDatabase_ShorterMaxAgeHoldsForWhatIsKept(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	clock.now = time.Minute
	expect(t, "at max age", get(d, "k", v), "hit:rows")
	c.Database("shop", Policy{Enabled: true, MaxAge: time.Second})
	expect(t, "after a shorter max age", get(d, "k", v), "miss")
	d.SetPolicy(defaultPolicy)
	fill(t, d, "k", "rows", v)
	clock.now = 2 * time.Minute
	expect(t, "filled a minute ago", get(d, "k", v), "hit:rows")
	clock.now++
	expect(t, "too old", get(d, "k", v), "miss")
	d.SetPolicy(Policy{})
	expect(t, "disabled", get(d, "k", v), "disabled")
	if begin(d, "k", v) != nil {
		t.Error("fill of a disabled database began")
	}
}

// shopRules are a few rules of each kind.
func shopRules() []Rule {
	return []Rule{
		{Users: []string{"admin"}, Enabled: ptr(false)},
		{Tables: []string{"scores"}, MaxAge: ptr(5 * time.Second), Tags: []string{"sport"}},
		{Tables: []string{"stats.daily"}, MaxAge: ptr(time.Hour)},
		{Match: regexp.MustCompile(`(?i)from\s+standings`), MaxAge: ptr(10 * time.Minute), StaleWhileRevalidate: ptr(time.Second)},
		{Fingerprints: []uint64{7, 8}, Tables: []string{"public.t"}, Enabled: ptr(false)},
		{Tables: []string{"nothing"}},
	}
}

func TestRules_TheFirstThatMatchesCounts(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	p := defaultPolicy
	p.Rules = shopRules()
	d := c.Database("shop", p)
	for _, tt := range []struct {
		name string
		r    Request
		want int
	}{
		{"no rule", Request{}, -1},
		{"user, before the table", Request{User: "admin", Verdict: &verdict.Statement{Tables: []string{"public.scores"}}}, 0},
		{"table in any schema", Request{Verdict: &verdict.Statement{Tables: []string{"a.b", "other.scores"}}}, 1},
		{"schema and table", Request{Verdict: &verdict.Statement{Tables: []string{"stats.daily"}}}, 2},
		{"table in another schema", Request{Verdict: &verdict.Statement{Tables: []string{"public.daily"}}}, -1},
		{"text", Request{Text: []byte("SELECT 1 FROM  Standings")}, 3},
		{"all conditions", Request{Verdict: &verdict.Statement{Fingerprint: 8, Tables: []string{"public.t"}}}, 4},
		{"one condition of two", Request{Verdict: &verdict.Statement{Fingerprint: 9, Tables: []string{"public.t"}}}, -1},
	} {
		r := tt.r
		if r.Verdict == nil {
			r.Verdict = &verdict.Statement{}
		}
		r.Verdict.Status = verdict.Cacheable
		if got := d.Inspect(&r).Rule; got != tt.want {
			t.Errorf("%s: rule %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestRules_HoldForWhatIsKept(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	v.Tables = []string{"public.scores"}
	fill(t, d, "k", "rows", v)
	clock.now = 6 * time.Second
	expect(t, "before the rule", get(d, "k", v), "hit:rows")
	p := defaultPolicy
	p.Rules = []Rule{{Tables: []string{"scores"}, MaxAge: ptr(5 * time.Second)}}
	d.SetPolicy(p)
	expect(t, "a rule of five seconds", get(d, "k", v), "miss")
	p.Rules = []Rule{{Tables: []string{"scores"}, Enabled: ptr(false)}}
	d.SetPolicy(p)
	expect(t, "a rule that forbids", get(d, "k", v), "disabled")
	p.Rules = []Rule{{Tables: []string{"scores"}, MaxAge: ptr(time.Hour)}}
	d.SetPolicy(p)
	clock.now = 30 * time.Minute
	expect(t, "a rule of an hour", get(d, "k", v), "hit:rows")
	p.Rules[0].Tags = []string{"sport"}
	d.SetPolicy(p)
	expect(t, "a rule with a tag that the entry lacks", get(d, "k", v), "miss")
	expect(t, "still", get(d, "k", v), "miss")
}

func TestRules_MayEnableWhatThePolicyDoesNot(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", Policy{MaxAge: time.Minute, Rules: []Rule{{Tables: []string{"t"}, Enabled: ptr(true)}}})
	v := reading(1)
	expect(t, "no rule matches", get(d, "other", v), "disabled")
	v.Tables = []string{"public.t"}
	fill(t, d, "k", "rows", v)
	expect(t, "a rule matches", get(d, "k", v), "hit:rows")
}

func TestRules_AHitEvaluatesNone(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	p := defaultPolicy
	p.Rules = []Rule{{Match: regexp.MustCompile("standings"), MaxAge: ptr(time.Hour)}}
	d := c.Database("shop", p)
	v := reading(1)
	r := Request{Key: []byte("k"), Verdict: v, Text: []byte("select * from standings")}
	d.Ask(&r, nil).Fill.Commit()
	r.Text = []byte("select") // a rule that was evaluated would not match this
	if o := d.Ask(&r, nil); o.Status != Hit {
		t.Fatalf("got %+v", o)
	}
	slot := onlySlot(t, d)
	if slot.rule != 0 {
		t.Errorf("rule %d is noted, want 0", slot.rule)
	}
	d.SetPolicy(p)
	d.Ask(&r, nil)
	if slot.rule != -1 {
		t.Errorf("rule %d is noted after the policy was set anew, want none", slot.rule)
	}
}

func TestRules_OfUsersAreAskedForEachUser(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	p := defaultPolicy
	p.Rules = []Rule{{Users: []string{"admin"}, Enabled: ptr(false)}}
	d := c.Database("shop", p)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	for _, tt := range []struct{ user, want string }{{"app", "hit"}, {"admin", "disabled"}, {"app", "hit"}, {"admin", "disabled"}} {
		expect(t, tt.user, string(d.Ask(&Request{Key: []byte("k"), Verdict: v, User: tt.user}, nil).Status), tt.want)
	}
}

func TestMaxAge_HintOutranksSessionOutranksRule(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	p := defaultPolicy
	p.Rules = []Rule{{MaxAge: ptr(10 * time.Second)}}
	d := c.Database("shop", p)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	clock.now = 20 * time.Second
	for _, tt := range []struct {
		name, want string
		session    *time.Duration
		hint       *Hint
	}{
		{"rule", "miss", nil, nil},
		{"longer session", "hit", ptr(30 * time.Second), nil},
		{"shorter hint", "miss", ptr(30 * time.Second), &Hint{MaxAge: ptr(time.Second)}},
		{"longer hint", "hit", ptr(time.Second), &Hint{MaxAge: ptr(time.Minute)}},
		{"hint of swr", "stale", nil, &Hint{StaleWhileRevalidate: ptr(time.Minute)}},
		{"session of 0", "disabled", ptr(time.Duration(0)), nil},
		{"hint of 0", "hint", nil, &Hint{MaxAge: ptr(time.Duration(0))}},
		{"hint of no-cache", "hint", nil, &Hint{NoCache: true}},
	} {
		r := &Request{Key: []byte("k"), Verdict: v, MaxAge: tt.session, Hint: tt.hint}
		expect(t, tt.name+", inspected", string(d.Inspect(r).Status), tt.want)
		o := d.Ask(r, nil)
		expect(t, tt.name, string(o.Status), tt.want)
		o.Fill.Abort()
	}
}

func TestHint_RefreshAsksTheServerAndKeepsItsAnswer(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	fill(t, d, "k", "old", v)
	f := begin(d, "x", v)
	for key, meanwhile := range map[string]string{"k": "hit:old", "x": "miss"} {
		o := d.Ask(&Request{Key: []byte(key), Verdict: v, Hint: &Hint{Refresh: true}}, new(sleeper))
		if o.Status != Miss || o.Fill == nil {
			t.Fatalf("%s: got %+v", key, o)
		}
		expect(t, "meanwhile", get(d, key, v), meanwhile)
		o.Fill.Append([]byte("new"))
		o.Fill.Commit()
		expect(t, "after", get(d, key, v), "hit:new")
	}
	f.Abort()
}
