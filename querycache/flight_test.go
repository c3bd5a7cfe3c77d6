package querycache

import (
	"fmt"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func TestFlight_ManyMissesAskTheServerOnce(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	v.Tally = new(verdict.Tally)
	leader := begin(d, "k", v)
	var sleepers []*sleeper
	for range 1000 {
		s, _ := wait(t, d, "k", v)
		sleepers = append(sleepers, s)
	}
	leader.Append([]byte("rows"))
	leader.Commit()
	for _, s := range sleepers {
		expect(t, "who waited", s.String(), "again")
		expect(t, "and asked again", get(d, "k", v), "hit:rows")
	}
	if s := d.Stats(); s.Coalesced != 1000 || s.Misses != 1 || s.Hits != 1000 {
		t.Errorf("got %+v", s)
	}
	if n := v.Tally; n.Calls.Load() != 1001 || n.Coalesced.Load() != 1000 || n.Misses.Load() != 1 || n.Fills.Load() != 1 {
		t.Errorf("tally: %d calls, %d coalesced, %d misses, %d fills",
			n.Calls.Load(), n.Coalesced.Load(), n.Misses.Load(), n.Fills.Load())
	}
}

func TestFlight_EndsAsItsFillDoes(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		end        func(*Fill, *Database)
	}{
		{"commit", "again", func(f *Fill, _ *Database) { f.Commit() }},
		{"abort", "again", func(f *Fill, _ *Database) { f.Abort() }},
		{"spoil", "alone", func(f *Fill, _ *Database) { f.Spoil() }},
		{"too large", "alone", func(f *Fill, _ *Database) { f.Append(make([]byte, 2<<20)) }},
		{"write, then commit", "again", func(f *Fill, d *Database) { d.Invalidate(1); f.Commit() }},
	} {
		c, _ := newTestCache(8 << 20)
		d := c.Database("shop", defaultPolicy)
		f := begin(d, "k", reading(1))
		s, ticket := wait(t, d, "k", reading(1))
		tt.end(f, d)
		expect(t, tt.name, s.String(), tt.want)
		if ticket.Leave() {
			t.Errorf("%s: left after being woken", tt.name)
		}
		f.Spoil()
		f.Commit()
		expect(t, tt.name+", ended again", s.String(), tt.want)
	}
}

func TestFlight_WhenTheLeaderFallsAwayTheFirstToAskLeads(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	first, _ := wait(t, d, "k", v)
	second, _ := wait(t, d, "k", v)
	f.Abort()
	expect(t, "first", first.String(), "again")
	expect(t, "second", second.String(), "again")
	o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, first)
	if o.Status != Miss || o.Fill == nil {
		t.Fatalf("the first does not lead: %+v", o)
	}
	again, _ := wait(t, d, "k", v)
	o.Fill.Commit()
	expect(t, "second", again.String(), "again")
}

func TestFlight_WhoCameAfterAWriteIsNotMadeToWaitForWhatCameBefore(t *testing.T) {
	for name, write := range map[string]func(*Database){
		"write":       func(d *Database) { d.BeginWrite(writing(1)).End() },
		"write all":   func(d *Database) { d.BeginWrite(writesAll).End() },
		"invalidate":  func(d *Database) { d.Invalidate(1) },
		"purge":       func(d *Database) { d.Purge() },
		"purge query": func(d *Database) { d.PurgeQuery(0) },
	} {
		c, _ := newTestCache(1 << 20)
		d := c.Database("shop", defaultPolicy)
		v := reading(1)
		old := begin(d, "k", v)
		before, _ := wait(t, d, "k", v)
		write(d)
		o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, new(sleeper))
		if o.Status != Miss || o.Fill == nil {
			t.Fatalf("%s: got %+v", name, o)
		}
		after, _ := wait(t, d, "k", v) // for the new fill
		expect(t, name+": who waits for the old fill", before.String(), "asleep")
		old.Append([]byte("old"))
		old.Commit()
		expect(t, name+": at its end", before.String(), "again")
		expect(t, name+": who waits for the new fill", after.String(), "asleep")
		o.Fill.Append([]byte("new"))
		o.Fill.Commit()
		expect(t, name+": who waited for the new fill", after.String(), "again")
		expect(t, name, get(d, "k", v), "hit:new")
	}
}

func TestFlight_NobodyWaitsWhileWhatItReadsIsWritten(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	w := d.BeginWrite(writing(1))
	o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, new(sleeper))
	if o.Status != verdict.Unsettled || o.Fill != nil {
		t.Errorf("during the write: %+v", o)
	}
	w.Withdraw()
	s, _ := wait(t, d, "k", v) // nothing has changed
	f.Commit()
	expect(t, "after the write was taken back", s.String(), "again")
}

func TestFlight_LeavingIsFinal(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	var sleepers [5]*sleeper
	var tickets [5]*Ticket
	for i := range sleepers {
		sleepers[i], tickets[i] = wait(t, d, "k", v)
	}
	for _, i := range []int{2, 0, 4} { // from the middle, the front, the end
		if !tickets[i].Leave() || !tickets[i].Leave() {
			t.Errorf("waiter %d may not leave", i)
		}
	}
	f.Commit()
	for i, s := range sleepers {
		want := "again"
		if i%2 == 0 {
			want = "asleep"
		}
		expect(t, fmt.Sprint("waiter ", i), s.String(), want)
	}
}

func TestFlight_NobodyIsMadeToWaitForWhatIsOfNoUse(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	f := begin(d, "k", v)
	hurried := &Request{Key: []byte("k"), Verdict: v, MaxAge: ptr(time.Second)}
	patient := new(sleeper)
	if o := d.Ask(hurried, patient); o.Status != Waiting {
		t.Fatalf("got %+v", o)
	}
	clock.now = 2 * time.Second
	if o := d.Ask(hurried, new(sleeper)); o.Status != Miss || o.Fill == nil {
		t.Errorf("the answer is too old already: %+v", o)
	} else {
		o.Fill.Abort()
	}
	other, _ := wait(t, d, "k", v)
	f.Commit()
	expect(t, "the answer came too late", patient.String(), "alone")
	expect(t, "the answer came in time", other.String(), "again")

	f = begin(d, "other", v)
	if o := d.Ask(&Request{Key: []byte("other"), Verdict: v, Waited: maxWaits}, new(sleeper)); o.Fill == nil {
		t.Errorf("who waited often enough: %+v", o)
	}
	if o := d.Ask(&Request{Key: []byte("other"), Verdict: v}, nil); o.Fill == nil {
		t.Errorf("who cannot wait: %+v", o)
	}
	f.Abort()
}

func TestFlight_NobodyWaitsForAnAnswerOfAKindThatIsNotKept(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	begin(d, "k", v).Spoil()
	f := begin(d, "k", v)
	if o := d.Ask(&Request{Key: []byte("k"), Verdict: v}, new(sleeper)); o.Fill == nil {
		t.Errorf("just spoiled: %+v", o)
	}
	f.Abort()
	clock.now = spoiledPeriod
	f = begin(d, "k", v)
	wait(t, d, "k", v)
	f.Spoil()
	fill(t, d, "k", "rows", v)
	d.Invalidate(1)
	f = begin(d, "k", v)
	wait(t, d, "k", v) // it was kept since
	f.Abort()
}

func TestFlight_ComparesWholeKeysWhenHashesAreEqual(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	l := lookUp(d, &Request{Key: []byte("k"), Verdict: v})
	l.terms = d.policy.Load().terms[0]
	f := begin(d, "k", v)
	if ticket, _ := l.join(new(sleeper), nil); ticket == nil {
		t.Error("not joined")
	}
	l.r.Key = []byte("x")
	if ticket, _ := l.join(new(sleeper), nil); ticket != nil {
		t.Error("waits for another key of the same hash")
	}
	if _, ok := l.s.flights[l.hash]; !ok {
		t.Error("another key of the same hash took the place")
	}
	f.Abort()
}

func TestFlight_KeyStaysComparableWhileTheAnswerGrows(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	f := begin(d, "k", reading(1))
	f.Append(make([]byte, 5000))
	s, _ := wait(t, d, "k", reading(1))
	if &f.head[0] != &f.blob[0] {
		t.Error("the first memory of the fill is kept by its key")
	}
	f.Commit()
	expect(t, "grown", s.String(), "again")
}

func TestAsk_GoesRoundWhenAnAnswerIsStoredMeanwhile(t *testing.T) {
	c, _ := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	l := lookUp(d, &Request{Key: []byte("k"), Verdict: v})
	expect(t, "before", string(l.find()), "miss")
	fill(t, d, "k", "rows", v) // between find and miss
	if _, again := l.miss(new(sleeper)); !again {
		t.Error("asks the server for what is there")
	}
	expect(t, "after", string(l.find()), "hit")
}
