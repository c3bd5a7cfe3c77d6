package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// behindWrites are what clients may send behind a write, in the same packet.
var behindWrites = map[string][]byte{
	"nothing":            nil,
	"own SHOW":           proxytest.Query("show overdrive.status"),
	"own SET":            proxytest.Query("set overdrive.cache = on"),
	"own SHOW, extended": says(proxytest.Parse("", "show overdrive.status"), proxytest.Bind("", "", nil, nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync()),
	"two own":            says(proxytest.Query("show overdrive.status"), proxytest.Query("show overdrive.pinned")),
	"read":               proxytest.Query("select a from t1"),
	"read, extended":     says(proxytest.Parse("", "select a from t1"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	"write":              proxytest.Query("update t2 set a = a + 1"),
	"write, own, write":  says(proxytest.Query("update t2 set a = a + 1"), proxytest.Query("show overdrive.status"), proxytest.Query("update t3 set a = a + 1")),
	"error":              proxytest.Query("select 1/0"),
	"begin":              proxytest.Query("begin"),
	"transaction":        says(proxytest.Query("begin"), proxytest.Query("update t2 set a = a + 1"), proxytest.Query("rollback"), proxytest.Query("show overdrive.status")),
	"error in a block":   says(proxytest.Query("begin"), proxytest.Query("update t2 set a = a + 1"), proxytest.Query("select 1/0"), proxytest.Query("show overdrive.status")),
	"open batch":         says(proxytest.Parse("", "update t2 set a = a + 1"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0)),
	"failed batch":       says(proxytest.Parse("", "bogus"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Query("update t2 set a = a + 1")),
	"named close":        says(proxytest.Parse("s", "select 1"), proxytest.CloseName('S', "s"), proxytest.Sync()),
	"close of nothing":   says(proxytest.CloseName('S', "nosuch"), proxytest.Sync()),
	"sync":               proxytest.Sync(),
	"flush":              proxytest.Flush(),
	"copy in":            says(proxytest.Query("copy t2 from stdin"), proxytest.CopyData([]byte("1\n")), proxytest.CopyDone(), proxytest.Query("show overdrive.status")),
	"copy left open":     says(proxytest.Query("copy t2 from stdin"), proxytest.CopyData([]byte("1\n"))),
	"copy fails":         says(proxytest.Query("copy t2 from stdin"), proxytest.CopyFail("no"), proxytest.Query("show overdrive.status")),
	"copy, early sync":   says(proxytest.Parse("", "copy t2 from stdin"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(), proxytest.CopyData([]byte("bad\n")), proxytest.CopyDone(), proxytest.Sync()),
	"copy out":           proxytest.Query("copy t2 to stdout"),
	"function call":      pgwire.AppendMessage(nil, pgwire.FunctionCall, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0}),
	"listen":             proxytest.Query("listen c"),
	"reset":              says(proxytest.Query("reset timezone"), proxytest.Query("show overdrive.status")),
	"settings":           says(proxytest.Query("set work_mem to '9MB'"), proxytest.Query("show overdrive.status")),
	"discard all":        says(proxytest.Query("discard all"), proxytest.Query("show overdrive.status")),
	"half a query":       proxytest.Query("update t2 set a = a + 1")[:9],
	"half a large query": proxytest.Query("update t2 set a = a + 1 -- " + strings.Repeat("x", MaxHeld))[:MaxHeld],
	"half a large bind":  largeBind[:MaxHeld],
	"half a batch":       says(proxytest.Parse("", "update t2 set a = a + 1"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), largeBind[:MaxHeld]),
	"half a commit":      says(proxytest.Parse("", "commit"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), largeBind[:MaxHeld]),
	"half of a copy":     says(proxytest.Query("copy t2 from stdin"), proxytest.CopyData([]byte("1\n1\n"))[:7]),
	"half of no copy":    proxytest.CopyData([]byte("1\n1\n"))[:7],
	"half behind a copy": says(proxytest.Query("copy t2 from stdin"), largeBind[:MaxHeld]),
	"half a bind":        says(proxytest.Parse("", "update t2 set a = a + 1"), proxytest.Bind("", "", nil, nil, nil)[:7]),
	"garbage":            {0xff, 0, 0, 0, 4},
}

var largeBind = proxytest.Bind("", "", [][]byte{make([]byte, MaxHeld+1)}, nil, nil)

// unknownOutcomes are the ends after which it cannot be known what became of a write, since the server is gone without a word, and what
// leads there whatever the end is.
var unknownOutcomes = map[string]bool{
	"server is gone": true, "cancel is broken": true,
	"copy, early sync": true, // how many replies are owed is not known
	"half a commit":    true, // which the server may be about to run
}

// markedWrites are the writes themselves.
var markedWrites = map[string][]byte{
	"simple":   proxytest.Query("update t set a = a + 1"),
	"extended": says(proxytest.Parse("", "update t set a = a + 1"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	"fails":    proxytest.Query("update t set a = a + 1; select 1/0"),
	"unknown":  proxytest.Query("select nosuch()"),
	"in block": says(proxytest.Query("begin"), proxytest.Query("update t set a = a + 1")),
}

// markEnds are the ways in which it all ends.
var markEnds = map[string]func(st *stage, c *testClient){
	"goodbye":        func(_ *stage, c *testClient) { c.sends(proxytest.Terminate()) },
	"client is gone": func(st *stage, c *testClient) { c.peer.broken = errTestReset; st.settle() },
	"half-close":     func(st *stage, c *testClient) { c.peer.eof = true; st.settle() },
	"server is gone": func(st *stage, _ *testClient) { st.breakServers() },
	"FATAL":          func(st *stage, _ *testClient) { st.killServers() },
	"told to go":     func(st *stage, c *testClient) { st.event(c.session.Drain); st.settle() },
	"out of time": func(st *stage, c *testClient) {
		st.event(func() { c.session.reject(ReasonShutdown, pgwire.CodeAdminShutdown, "") })
	},
	"cancelled": func(st *stage, c *testClient) {
		st.event(func() { c.session.Cancel(func() {}) })
		st.cancelsArrive(nil)
	},
	"cancel is broken": func(st *stage, c *testClient) {
		st.event(func() { c.session.Cancel(func() {}) })
		st.cancelsArrive(errTestReset)
	},
	"fault of ours": func(st *stage, c *testClient) { st.event(func() { c.session.Fault(errTestReset) }) },
}

func (st *stage) breakServers() {
	for _, v := range st.servers {
		v.peer.broken = errTestReset
	}
	st.settle()
}

func (st *stage) killServers() {
	for _, v := range st.servers {
		v.peer.send(pgwire.AppendError(nil, pgwire.ErrorReport{Severity: "FATAL", Code: pgwire.CodeAdminShutdown, Message: "going"}))
		v.peer.eof = true
	}
	st.settle()
}

func (st *stage) cancelsArrive(err error) {
	for len(st.broker.cancels) > 0 {
		st.broker.cancelArrives(err)
	}
	st.settle()
}

// Whatever a client sends behind a write, whenever the session ends and however: no mark is left, for it would take the cache
// from everybody who reads what was written, and for ever.
func TestMarks_NoneIsLeftWhateverIsSentBehindAWriteAndHoweverItEnds(t *testing.T) {
	t.Parallel()
	place := 0
	for _, mode := range []PoolMode{TransactionPooling, SessionPooling, StatementPooling} {
		for write, first := range markedWrites {
			for behind, then := range behindWrites {
				for end, finally := range markEnds {
					for _, answers := range []int{0, 1, 1000} { // of the server, before the end comes
						if place++; testing.Short() && place%31 != 0 {
							continue
						}
						ok := t.Run(fmt.Sprint(mode, "/", write, "/", behind, "/", end, "/", answers), func(t *testing.T) {
							st := newStage(t, setup{mode: mode, cache: true})
							st.db = map[string]int{}
							c := st.connect("client")
							c.peer.send(slices.Concat(first, then))
							st.settleUpTo(answers)
							finally(st, c)
							st.settle()
							if !c.ended {
								c.peer.broken = errTestReset
							}
							st.settle()
							st.cancelsArrive(nil)
							st.runTimers()
							st.runTimers()
							st.wantNoMarks(t)
							if n := st.identity.Cache.Stats().Abandoned; n != 0 && !unknownOutcomes[end] && !unknownOutcomes[behind] {
								t.Errorf("%d writes are of unknown outcome, though the server has answered or has said that it ends", n)
							}
						})
						if !ok {
							return
						}
					}
				}
			}
		}
	}
}

// settleUpTo lets everything happen, and the server answer up to n times.
func (st *stage) settleUpTo(n int) {
	for range maxSteps {
		thinks := slices.ContainsFunc(st.servers, func(v *testServer) bool { return len(v.peer.got) > 0 })
		if len(st.posts) == 0 && thinks {
			if n--; n < 0 {
				return
			}
		}
		if !st.step(func(int) int { return 0 }) {
			return
		}
	}
}

// Without anybody leaving: a mark ends with its own batch, neither with the one before nor with the one behind.
func TestMarks_EachEndsWithItsOwnBatch(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	c.sends(proxytest.Query("update t1 set a = a + 1"), proxytest.Query("show overdrive.status"), proxytest.Query("update t2 set a = a + 1"))
	writing := func(want int64) {
		t.Helper()
		if got := st.identity.Cache.Stats().Writing; got != want {
			t.Errorf("%d writes are marked, want %d", got, want)
		}
	}
	writing(2)
	done := says(proxytest.CommandComplete("UPDATE 1"), proxytest.ReadyForQuery('I'))
	st.servers[0].sends(done)
	writing(1)
	st.servers[0].sends(done)
	writing(0)
}

// A client that pipelines without end has a bounded number of marks, and what was merged is never taken back.
func TestMarks_AreBounded(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	for range 2 * maxMarks {
		c.sends(proxytest.Query("update t1 set a = a + 1"))
	}
	m := &st.servers[0].conn.marks
	if len(m.open) != maxMarks {
		t.Errorf("%d marks, want %d", len(m.open), maxMarks)
	}
	before := st.identity.Cache.Stats().Invalidations
	for range 2*maxMarks - 1 {
		st.servers[0].sends(proxytest.CommandComplete("UPDATE 1"), proxytest.ReadyForQuery('I'))
	}
	st.servers[0].sends(proxytest.ErrorResponse("S", "ERROR", "C", "22012", "M", "division by zero"), proxytest.ReadyForQuery('I'))
	st.wantNoMarks(t)
	if got := st.identity.Cache.Stats().Invalidations - before; got != maxMarks {
		t.Errorf("%d writes have invalidated, want all %d marks", got, maxMarks)
	}
}

func TestMarks_EndWhenTheirConnectionSaysGoodbye(t *testing.T) {
	st := newStage(t, setup{cache: true})
	v := st.broker.newServer()
	v.conn.marks.begin(Unseen)
	if st.identity.Cache.Stats().Writing == 0 {
		t.Fatal("nothing is marked, so this proves nothing")
	}
	st.event(v.conn.Goodbye)
	st.wantNoMarks(t)
}

// What was sent before half a message is answered before the connection is closed: until then it may take effect.
func TestMarks_LastUntilWhatStoodBeforeHalfAMessageIsAnswered(t *testing.T) {
	for behind, half := range map[string][]byte{
		"half a query": behindWrites["half a large query"], "half a batch": behindWrites["half a batch"], "half of a copy": behindWrites["half of no copy"],
	} {
		t.Run(behind, func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			c := st.connect("client")
			c.sends(proxytest.Query("update t1 set a = a + 1"), half)
			c.peer.broken = errTestReset
			st.settle()
			if n := st.identity.Cache.Stats().Writing; n == 0 || st.servers[0].gone {
				t.Errorf("%d writes are marked, server gone: %v", n, st.servers[0].gone)
			}
			st.servers[0].sends(proxytest.CommandComplete("UPDATE 1"), proxytest.ReadyForQuery('I'))
			if st.wantNoMarks(t); !st.servers[0].gone || st.identity.Cache.Stats().Abandoned != 0 {
				t.Errorf("server gone: %v, outcome unknown of %d writes", st.servers[0].gone, st.identity.Cache.Stats().Abandoned)
			}
			st.cancelsArrive(nil)
		})
	}
}

// A COMMIT in front of half a message, in the same batch, may take effect at any time.
func TestMarks_AreOfUnknownOutcomeWhenACommitStandsBeforeHalfAMessage(t *testing.T) {
	for sql, want := range map[string]int64{"update t2 set a = a + 1": 0, "select a from t1": 0, "commit": 1, "call nosuch()": 1} {
		st := newStage(t, setup{cache: true})
		c := st.connect("client")
		c.sends(proxytest.Query("begin"))
		st.servers[0].sends(proxytest.CommandComplete("BEGIN"), proxytest.ReadyForQuery('T'))
		c.sends(proxytest.Query("update t1 set a = a + 1"))
		st.servers[0].sends(proxytest.CommandComplete("UPDATE 1"), proxytest.ReadyForQuery('T'))
		c.sends(proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), behindWrites["half a large bind"])
		c.peer.broken = errTestReset
		st.settle()
		st.wantNoMarks(t)
		if got := st.identity.Cache.Stats().Abandoned; got > 0 != (want > 0) {
			t.Errorf("%s: %d writes are of unknown outcome, want %d", sql, got, want)
		}
	}
}
