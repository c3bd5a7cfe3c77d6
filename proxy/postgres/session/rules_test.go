package session

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// TestMachine_ClientCannotSpoilStatementsOfOthers has a client call its statements by the names that the proxy uses.
func TestMachine_ClientCannotSpoilStatementsOfOthers(t *testing.T) {
	st := newStage(t, setup{})
	st.db = map[string]int{}
	other, client := st.connect("other"), st.connect("client")
	other.sends(proxytest.Parse("s", "select 1"), proxytest.Sync())
	for _, name := range []string{"_overdrive_1", "_overdrive_2"} {
		client.sends(proxytest.Parse(name, "select 2"), proxytest.Sync())
		client.sends(proxytest.Parse(name, "select 3"), proxytest.Sync())
		client.sends(proxytest.CloseName('S', name), proxytest.Sync())
	}
	other.peer.got = nil
	other.sends(proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	want := slices.Concat([]byte{'2', 0, 0, 0, 4}, proxytest.DataRow([]byte("1")), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
	if got := other.peer.got; !bytes.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", show(got), show(want))
	}
}

// TestServerConn_MayTalkAfterItWasGivenUp delivers an answer between the moment at which the pool gives a connection up
// and that at which its socket is closed.
func TestServerConn_MayTalkAfterItWasGivenUp(t *testing.T) {
	for name, question := range map[string][]byte{
		"a query":          proxytest.Query("select 1"),
		"a batch":          slices.Concat(proxytest.Parse("", "select 1"), proxytest.Bind("", "", nil, nil, nil)),
		"half a copy":      slices.Concat(proxytest.Query("copy t from stdin"), []byte{'d', 0, 0, 0, 9, 'x'}),
		"an open business": proxytest.Query("begin"),
	} {
		for answer, b := range map[string][]byte{
			"its end": slices.Concat(proxytest.CommandComplete("SELECT 0"), proxytest.ReadyForQuery('I')),
			"an error": slices.Concat(proxytest.ErrorResponse("SERROR", "VERROR", "C57014", "Mcancelled"),
				proxytest.ReadyForQuery('I')),
			"acknowledgements": {'1', 0, 0, 0, 4, '2', 0, 0, 0, 4},
			"a setting":        proxytest.ParameterStatus("TimeZone", "CET"),
		} {
			t.Run(strings.ReplaceAll(name+" then "+answer, " ", "_"), func(t *testing.T) {
				st := newStage(t, setup{})
				c := st.connect("client")
				c.sends(question)
				c.peer.broken = errTestReset
				st.settle()
				st.runTimers()
				v := st.server("server")
				if !v.gone {
					t.Fatal("the connection was not given up")
				}
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("it panicked: %v", p)
					}
				}()
				v.conn.OnData(b)
			})
		}
	}
}

// TestSession_ClientThatDoesNotReadCostsLittle pipelines hits of the cache to a client that reads none of them.
func TestSession_ClientThatDoesNotReadCostsLittle(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	query := proxytest.Query("select a from t")
	c.sends(query)
	reply := slices.Concat(proxytest.TextRow("a"), proxytest.DataRow(make([]byte, 8<<10)), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
	st.server("server").sends(reply)
	c.peer.got = nil
	c.peer.stuck = true
	const n = 2000
	c.sends(bytes.Repeat(query, n))
	if got, limit := c.peer.Pending(), 4*testHighWater; got > limit {
		t.Errorf("got %d bytes waiting for the client, want at most %d", got, limit)
	}
	c.peer.unstick()
	for c.peer.stuck = false; st.step(func(int) int { return 0 }); {
	}
	if got := bytes.Count(c.peer.got, proxytest.ReadyForQuery('I')); got != n {
		t.Errorf("got %d answers once it reads, want %d", got, n)
	}
}

// TestSession_PipelineOfAClientThatDoesNotReadIsBounded keeps sending queries whose answers nobody reads: sooner or later
// neither side is read, and when the client reads all is answered.
func TestSession_PipelineOfAClientThatDoesNotReadIsBounded(t *testing.T) {
	st := newStage(t, setup{})
	st.db = map[string]int{}
	c := st.connect("client")
	c.peer.stuck = true
	const n = 20000
	c.sends(bytes.Repeat(proxytest.Query("select generate_series(1, 20)"), n))
	v := st.server("server")
	if got, limit := c.peer.Pending(), 1<<20; got > limit {
		t.Errorf("got %d bytes waiting for the client, want at most %d", got, limit)
	}
	if got, limit := v.conn.owed.len(), maxOwed+readSize/5; got > limit {
		t.Errorf("got %d replies owed, want at most %d", got, limit)
	}
	if !c.peer.paused || !v.peer.paused {
		t.Errorf("got client paused %v, server paused %v, want both", c.peer.paused, v.peer.paused)
	}
	c.peer.unstick()
	if got := bytes.Count(c.peer.got, []byte{pgwire.ReadyForQuery, 0, 0, 0, 5}); got != n {
		t.Errorf("got %d answers once it reads, want %d", got, n)
	}
}
