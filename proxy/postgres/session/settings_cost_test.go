package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest"
)

// timeSets returns how long a session takes for n SETs in one message, up to the message that gives all to another server,
// a RESET of all of them, and the next statement. The server is a model that knows nothing of n.
func timeSets(tb testing.TB, n int) time.Duration {
	tb.Helper()
	st := newStage(tb, setup{servers: 1})
	st.db = map[string]int{}
	c, other := st.connect("client"), st.connect("other")
	var sets, resets strings.Builder
	for i := range n {
		fmt.Fprintf(&sets, "set a.b%d to 1;", i)
		fmt.Fprintf(&resets, "reset a.b%d;", i)
	}
	start := time.Now()
	c.sends(proxytest.Query(sets.String()))
	other.sends(proxytest.Query("select 1"))
	c.sends(proxytest.Query("select 1"))
	c.sends(proxytest.Query(resets.String()))
	c.sends(proxytest.Query("select 1"))
	took := time.Since(start)
	if c.ended || len(c.session.params.want.Items()) > len(reportedByTest) {
		tb.Fatalf("%d SETs and RESETs left %d parameters; ended %v: %v", n, len(c.session.params.want.Items()), c.ended, c.err)
	}
	return took
}

// A pass over all that a client has set, for each thing that it sets, would make these times grow with the square of n.
func TestSettings_CostGrowsWithTheirNumberAndNotWithItsSquare(t *testing.T) {
	const few, factor = 200, 16 // a text of 64 KiB is not parsed any more
	best := func(n int) time.Duration {
		least := timeSets(t, n)
		for range 4 {
			least = min(least, timeSets(t, n))
		}
		return least / time.Duration(n)
	}
	small, large := best(few), best(few*factor)
	t.Logf("%v for each of %d, %v for each of %d", small, few, large, few*factor)
	if large > 5*small {
		t.Errorf("each of %d SETs takes %v, each of %d takes %v", few, small, few*factor, large)
	}
}

func BenchmarkSettings_ManyInOneMessage(b *testing.B) {
	for _, n := range []int{100, 1600, 3200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				timeSets(b, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/SET")
		})
	}
}
