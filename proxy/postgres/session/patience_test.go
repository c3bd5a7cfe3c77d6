package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
)

func TestParseTimeout_ReadsWhatPostgresReads(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"0": 0, "500": 500 * time.Millisecond, "500ms": 500 * time.Millisecond, "5s": 5 * time.Second, " 5 s ": 5 * time.Second,
		"1min": time.Minute, "1.5 min": 90 * time.Second, "1h": time.Hour, "2d": 48 * time.Hour, "1500us": 2 * time.Millisecond,
		"500us": 0, "0x10": 16 * time.Millisecond, "010": 8 * time.Millisecond, "1e3": time.Second, "1e3s": 1000 * time.Second, ".5s": 500 * time.Millisecond,
		"2147483647": 2147483647 * time.Millisecond,
	} {
		if got, ok := settings.ParseTimeout(value); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "s", "-1", "5 S", "5sec", "1_000", "nan", "inf", "2147483648", "1e300d", "5 s s", settings.Doubtful} {
		if got, ok := settings.ParseTimeout(value); ok {
			t.Errorf("%q: got %v, want nothing", value, got)
		}
	}
}

// runTimer has the timers of the given length run out, and everything happen that follows.
func (st *stage) runTimer(d time.Duration) int {
	n := st.fireTimers(d)
	st.settle()
	return n
}

// impatientClient has a statement_timeout of half a second.
func (st *stage) impatientClient() *testClient {
	return st.connect("client", settings.Of("statement_timeout", "500ms"))
}

const patienceOfTest = 500 * time.Millisecond

// waitsFor are the things that a message may wait for in the proxy. Each returns a client that waits, and what ends the wait
// of its own accord; the model servers stay idle meanwhile.
var waitsFor = map[string]func(st *stage, message []byte) (c *testClient, comes func()){
	"a verdict": func(st *stage, message []byte) (*testClient, func()) {
		c := st.impatientClient()
		c.peer.send(message)
		for c.session.state != judging {
			c.peer.deliver()
		}
		return c, st.settle
	},
	"somebody else's answer": func(st *stage, message []byte) (*testClient, func()) {
		c, leader := st.impatientClient(), st.connect("leader")
		leader.peer.send(message)
		st.settleUpTo(0)
		c.peer.send(message)
		for c.session.state != joined {
			c.peer.deliver()
		}
		return c, st.settle
	},
	"a server": func(st *stage, message []byte) (*testClient, func()) {
		c, other := st.impatientClient(), st.connect("other")
		other.sends(proxytest.Query("begin"))
		c.sends(message)
		return c, func() { other.sends(proxytest.Query("commit")) }
	},
	"a server that is on its way": func(st *stage, message []byte) (*testClient, func()) {
		c, other := st.impatientClient(), st.connect("other")
		other.sends(proxytest.Query("begin"))
		c.sends(message)
		s := c.session
		st.broker.queue = nil
		st.broker.coming = append(st.broker.coming, s)
		return c, func() {
			st.broker.coming = nil
			st.broker.queue = append(st.broker.queue, s)
			other.sends(proxytest.Query("commit"))
		}
	},
	"its settings": func(st *stage, message []byte) (*testClient, func()) {
		c, other := st.impatientClient(), st.connect("other")
		other.sends(proxytest.Query("set timezone to 'cet'"))
		c.peer.send(message)
		for c.session.state != settling {
			st.step(func(int) int { return 0 })
		}
		return c, st.settle
	},
	"what the session has set": func(st *stage, message []byte) (*testClient, func()) { // which the server is asked for
		c := st.impatientClient()
		c.peer.send(proxytest.Query("set app.tenant to '7'"))
		for c.session.state != settling {
			st.step(func(int) int { return 0 })
		}
		c.peer.send(message)
		c.peer.deliver()
		return c, st.settle
	},
}

// Whatever a message waits for in the proxy: when the client's statement_timeout is over it is answered as PostgreSQL
// would answer, at once unless a server is on its way, and the session goes on.
func TestStatementTimeout_HoldsForWhateverAMessageWaitsFor(t *testing.T) {
	messages := map[string][]byte{
		"simple": proxytest.Query("select a from t"),
		"extended": says(proxytest.Parse("", "select a from t"), proxytest.Bind("", "", nil, nil, nil), proxytest.Describe('P', ""),
			proxytest.Execute("", 0), proxytest.Sync()),
	}
	for what, wait := range waitsFor {
		for how, message := range messages {
			t.Run(what+"/"+how, func(t *testing.T) {
				st := newStage(t, setup{cache: true})
				st.db = map[string]int{}
				c, comes := wait(st, message)
				c.peer.got = nil
				if n := st.fireTimers(patienceOfTest); n != 1 {
					t.Fatalf("%d timers run for half a second, want the statement's", n)
				}
				comes()
				want := "EZ"
				if got := typesOf(c.peer.got); got != want || codesOf(c.peer.got)[0] != "57014" {
					t.Fatalf("got\n\t%s\nwant an error 57014", show(c.peer.got))
				}
				c.peer.got = nil
				c.sends(proxytest.Query("select 'later'"))
				if got := typesOf(c.peer.got); got != "TDCZ" || c.ended {
					t.Errorf("afterwards it got\n\t%s", show(c.peer.got))
				}
				if n := st.runTimer(patienceOfTest); n != 0 || c.session.waits() {
					t.Error("the clock of a statement that was answered runs")
				}
				st.emptyStage(t)
			})
		}
	}
}

// fireTimers has the timers of the given length run out, and nothing else happen.
func (st *stage) fireTimers(d time.Duration) (n int) {
	for _, timer := range slices.Clone(st.timers) {
		if timer.after == d && !timer.stopped {
			timer.stopped = true
			st.clock += d
			st.event(timer.f)
			n++
		}
	}
	return n
}

// typesOf returns the types of the messages in a stream, but for ParameterStatus.
func typesOf(b []byte) string {
	rest, _ := withoutStatus(b)
	types := ""
	for _, m := range cutMessages(rest) {
		types += string(m[0])
	}
	return types
}

// In a transaction the error is raised by the server, so that the transaction fails as it would.
func TestStatementTimeout_OfAVerdictInATransactionMakesItFail(t *testing.T) {
	for _, extended := range []bool{false, true} {
		t.Run(fmt.Sprint("extended: ", extended), func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			st.db = map[string]int{}
			c := st.impatientClient()
			c.sends(proxytest.Query("begin"), proxytest.Query("update t set a = a + 1"))
			c.peer.got = nil
			message := proxytest.Query("select 'new'")
			if extended {
				message = says(proxytest.Parse("", "select 'new'"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
			}
			c.peer.send(message)
			for c.session.state != judging {
				c.peer.deliver()
			}
			st.runTimer(patienceOfTest)
			c.sends(proxytest.Query("select 2"))
			codes := codesOf(c.peer.got)
			if typesOf(c.peer.got) != "EZEZ" || codes[0] != "57014" || codes[1] != "25P02" {
				t.Errorf("got\n\t%s\nwant 57014, and 25P02 for what follows", show(c.peer.got))
			}
			c.sends(proxytest.Query("rollback"))
			st.emptyStage(t)
		})
	}
}

// What the client says counts, and where it says nothing what the server would have it.
func TestStatementTimeout_IsThatOfTheClientOrElseOfTheServer(t *testing.T) {
	st := newStage(t, setup{})
	st.db = map[string]int{}
	st.identity.login.Store(&classify.Login{Timeout: 5000})
	silent := st.connect("silent").session
	set := st.connect("set", settings.Of("statement_timeout", "1min")).session
	never := st.connect("never", settings.Of("statement_timeout", "0")).session
	for s, want := range map[*Session]time.Duration{silent: 5 * time.Second, set: time.Minute, never: 0} {
		if got := s.statementTimeout(); got != want {
			t.Errorf("session %d: got %v, want %v", s.login.id, got, want)
		}
	}
}

// A verdict that comes after its message was given up is not taken for the next one's, and no more than one is worked out
// for a session at a time.
func TestStatementTimeout_LateVerdictsAreNotPiledUp(t *testing.T) {
	st := newStage(t, setup{cache: true})
	st.db = map[string]int{}
	c := st.impatientClient()
	asked := 0
	c.session.driver = &judgesLate{c.driver, &asked}
	for i := range 50 {
		c.peer.send(proxytest.Query(fmt.Sprintf("select a from t%d", i%10)))
		for c.session.state != judging {
			c.peer.deliver()
		}
		st.fireTimers(patienceOfTest)
	}
	if asked != 1 {
		t.Errorf("%d verdicts are worked out for one session, want one", asked)
	}
	if got := len(codesOf(c.peer.got)); got != 50 {
		t.Errorf("%d statements were answered, want all", got)
	}
	c.session.driver = c.driver
	c.peer.got = nil
	c.peer.send(proxytest.Query("select a from t7"))
	for c.session.state != judging {
		c.peer.deliver()
	}
	st.event(func() { c.session.Judged([]byte("select a from t0"), Unseen) })
	st.settle()
	if got := typesOf(c.peer.got); got != "TDCZ" || c.session.pins != 0 {
		t.Errorf("got\n\t%s\npinned: %v", show(c.peer.got), c.session.pins)
	}
}

// judgesLate never comes back with a verdict.
type judgesLate struct {
	*fakeDriver
	asked *int
}

func (d *judgesLate) Judge(*Lens, []byte) { *d.asked++ }

// A message that waits again and again has one wait_timeout: it is counted from its arrival, and at its end nobody else is
// waited for any more.
func TestWaitTimeout_IsOneForAllTheWaitsOfAMessage(t *testing.T) {
	const limit = 10 * time.Second
	st := newStage(t, setup{cache: true, servers: 1})
	st.waitTimeout = limit
	leader, c := st.connect("leader"), st.connect("client")
	question := proxytest.Query("select a from t")
	leader.sends(question)
	c.sends(question)
	since := c.session.delay.since
	if c.session.state != joined || since == 0 {
		t.Fatalf("the client is in state %d and waits since %v", c.session.state, since)
	}
	for range 2 { // the answer is of no use, and somebody else is quicker to ask
		st.clock += time.Second
		next := st.connect("next")
		leader.peer.broken = errTestReset
		st.settle()
		if c.session.state != joined && c.session.state != waiting {
			t.Fatalf("the client is in state %d", c.session.state)
		}
		if got := c.session.delay.since; got != since {
			t.Errorf("its wait began anew, at %v, not %v", got, since)
		}
		leader = next
	}
	late := st.connect("late")
	late.sends(question)
	if n := st.runTimer(limit); n == 0 {
		t.Error("no timer runs for wait_timeout")
	}
	if c.session.state == joined {
		t.Error("the client waits for somebody else though its time is over")
	}
}

func TestSession_HasNoClockRunningWhenItMayMove(t *testing.T) {
	st := newStage(t, setup{cache: true})
	st.db = map[string]int{}
	c := st.impatientClient()
	for _, message := range [][]byte{proxytest.Query("select a from t"), proxytest.Query("bogus"), says(proxytest.Parse("x", "select 1"), proxytest.Sync())} {
		c.sends(message)
		s := c.session
		if !s.Movable() || s.delay.timeout != nil || s.delay.patience != nil {
			t.Errorf("after %q: movable %v, timers %v, %v", message, s.Movable(), s.delay.timeout, s.delay.patience)
		}
	}
	if got := c.peer.got; len(got) == 0 || got[len(got)-6] != pgwire.ReadyForQuery {
		t.Errorf("got\n\t%s", show(got))
	}
}
