package traffic

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTimes_BucketIsTheFirstWhoseBoundIsNotBelow(t *testing.T) {
	for i := range Buckets - 1 {
		if got := math.Ldexp(1, Power(i)); got != Bound(i) {
			t.Errorf("bucket %d: bound %g, 2 to the power is %g", i, Bound(i), got)
		}
		at := time.Duration(Bound(i) * 1e9) // rounded down to what a clock can tell
		if got := bucketOf(at); got != i {
			t.Errorf("%v: bucket %d, want %d", at, got, i)
		}
		if got := bucketOf(at + 1); got != i+1 {
			t.Errorf("%v: bucket %d, want %d", at+1, got, i+1)
		}
	}
	if got := bucketOf(0); got != 0 {
		t.Errorf("nothing: bucket %d, want 0", got)
	}
	if got := bucketOf(math.MaxInt64); got != Buckets-1 {
		t.Errorf("for ever: bucket %d, want the last", got)
	}
}

func TestTimes_NegativeCountsAsNothing(t *testing.T) {
	var times Times
	times.Observe(-time.Second)
	times.Observe(time.Second)
	d := times.Distribution()
	if d.Count() != 2 || d.Sum != time.Second || d.Buckets[0] != 1 {
		t.Errorf("got %+v", d)
	}
}

func testVocabulary() *Vocabulary {
	return &Vocabulary{Statuses: []string{"none", "hit"}, Ends: []string{"closed"}, Pins: []string{"listen", "seed"}}
}

func TestMeter_SumsItsLanes(t *testing.T) {
	const each = 1000
	m := NewMeter(4, testVocabulary())
	var loops sync.WaitGroup
	for i := range 3 { // the fourth has nothing to do
		loops.Go(func() {
			for range each {
				l := m.Lane(i)
				l.Statements.Add(1)
				l.Transactions.Add(1)
				l.ToClients.Add(10)
				l.Upstream.Observe(time.Millisecond)
				l.Answers[ByCache].Observe(time.Microsecond)
				m.Pins.Add(1)
			}
		})
	}
	loops.Wait()
	c := m.Counts()
	if c.Transactions != 3*each || c.ToClients != 30*each || c.Upstream.Count() != 3*each || c.Upstream.Sum != 3*each*time.Millisecond ||
		c.Answers[ByCache].Count() != 3*each || c.Queries() != 3*each {
		t.Errorf("got %+v", c)
	}
	if want := []Count{{"none", 0}, {"hit", 3 * each}}; !slices.Equal(c.Statements, want) {
		t.Errorf("statements: %v, want %v", c.Statements, want)
	}
	if want := []Count{{"listen", 0}, {"seed", 3 * each}}; !slices.Equal(c.Pins, want) {
		t.Errorf("pins: %v, want %v", c.Pins, want)
	}
}

func TestMeter_ErrorsAreCountedByKnownClassesOnly(t *testing.T) {
	m := NewMeter(1, testVocabulary())
	for _, code := range []string{"23505", "23503", "XX000", "57014", "ZZ123", "", "2", "23", strings.Repeat("4", 100), "\x00\x00\x00\x00\x00"} {
		m.ServerErrors.AddError(code)
	}
	got := make(map[string]uint64)
	for _, of := range m.Counts().ServerErrors {
		if of.N > 0 {
			got[of.Word] = of.N
		}
	}
	if want := map[string]uint64{"23": 2, "XX": 1, "57": 1, OtherClass: 6}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !slices.IsSorted(classes[:len(classes)-1]) {
		t.Error("the classes are not in order, so some are not found")
	}
}

// A counter that is forgotten in Add would fall when an origin goes.
func TestCounts_AddAddsEverything(t *testing.T) {
	m := NewMeter(1, testVocabulary())
	l := m.Lane(0)
	l.Statements.Add(0)
	l.Transactions.Add(1)
	l.FromClients.Add(1)
	l.ToClients.Add(1)
	l.FromServers.Add(1)
	l.ToServers.Add(1)
	l.TransactionTime.Add(1)
	m.Logins.Add(1)
	m.Ends.Add(0)
	m.Pins.Add(0)
	m.ServerErrors.AddError("42601")
	m.ProxyErrors.AddError("42601")
	for _, times := range []*Times{&l.Upstream, &l.Waits, &l.Answers[ByServer], &l.Answers[ByCache], &l.Answers[ByProxy]} {
		times.Observe(1)
	}
	one := m.Counts()
	var sum Counts
	sum.Add(&one)
	if !reflect.DeepEqual(sum, one) {
		t.Errorf("to nothing: got %+v, want %+v", sum, one)
	}
	once := reflect.ValueOf(one)
	for i := range once.NumField() {
		if once.Field(i).IsZero() {
			t.Errorf("%s: the test counts nothing", once.Type().Field(i).Name)
		}
	}
	sum.Add(&one)
	for i := range once.NumField() {
		if reflect.DeepEqual(once.Field(i).Interface(), reflect.ValueOf(sum).Field(i).Interface()) {
			t.Errorf("%s was not added", once.Type().Field(i).Name)
		}
	}
	if one.Statements[0].N != 1 {
		t.Error("adding has changed what was added")
	}
}

func TestLane_CountsWithoutAllocating(t *testing.T) {
	m := NewMeter(1, testVocabulary())
	m.Lane(0)
	if n := testing.AllocsPerRun(100, func() {
		l := m.Lane(0)
		l.Statements.Add(1)
		l.Upstream.Observe(time.Millisecond)
		m.ServerErrors.AddError("42601")
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkTimes(b *testing.B) {
	var times Times
	for b.Loop() {
		times.Observe(50 * time.Microsecond)
	}
}
