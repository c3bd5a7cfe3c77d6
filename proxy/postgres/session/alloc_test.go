//go:build !race

package session

import (
	"slices"
	"testing"

	"overdrive/proxy/proxytest"
)

// newExchange returns what has a client ask and a server answer, over sockets that cost nothing.
func newExchange(t *testing.T, cache bool) (st *stage, exchange func(question, answer []byte)) {
	st = newStage(t, setup{cache: cache})
	return st, newExchangeOver(st, t)
}

// newExchangeOver is newExchange on a stage that is there already.
func newExchangeOver(st *stage, t testing.TB) (exchange func(question, answer []byte)) {
	c := st.connect("client")
	v := st.broker.newServer()
	s := c.session
	s.driver, v.conn.driver = &lone{c.driver, v.conn}, keeps{v}
	s.client, v.conn.peer = &sink{}, &sink{}
	return func(question, answer []byte) {
		s.OnData(question)
		for len(st.posts) > 0 { // a verdict
			f := st.posts[0]
			st.posts = st.posts[1:]
			f()
		}
		if len(answer) > 0 {
			v.conn.OnData(answer)
		}
		if s.srv != nil || s.state != ready {
			t.Fatal("the exchange did not come to its end")
		}
	}
}

func selectOne() []byte {
	return slices.Concat(proxytest.TextRow("a"), proxytest.DataRow([]byte("1")), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
}

func wantNoAllocations(t *testing.T, f func()) {
	t.Helper()
	f() // buffers grow once
	if got := testing.AllocsPerRun(200, f); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func TestSession_ForwardsASimpleQueryWithoutAllocating(t *testing.T) {
	_, exchange := newExchange(t, false)
	question, answer := proxytest.Query("select a from t where b = 1"), selectOne()
	wantNoAllocations(t, func() { exchange(question, answer) })
}

func TestSession_ForwardsAPreparedStatementWithoutAllocating(t *testing.T) {
	_, exchange := newExchange(t, false)
	exchange(slices.Concat(proxytest.Parse("s", "select $1"), proxytest.Sync()),
		slices.Concat([]byte{'1', 0, 0, 0, 4}, proxytest.ReadyForQuery('I')))
	question := slices.Concat(proxytest.Bind("", "s", [][]byte{[]byte("v")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	answer := slices.Concat([]byte{'2', 0, 0, 0, 4}, proxytest.DataRow([]byte("v")), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
	wantNoAllocations(t, func() { exchange(question, answer) })
}

func TestSession_AnswersAQueryFromTheCacheWithoutAllocating(t *testing.T) {
	_, exchange := newExchange(t, true)
	question := proxytest.Query("select a from t")
	exchange(question, selectOne())
	wantNoAllocations(t, func() { exchange(question, nil) })
}

func TestSession_AnswersAPreparedStatementFromTheCacheWithoutAllocating(t *testing.T) {
	_, exchange := newExchange(t, true)
	exchange(slices.Concat(proxytest.Parse("s", "select a from t where b = $1"), proxytest.Sync()),
		slices.Concat([]byte{'1', 0, 0, 0, 4}, proxytest.ReadyForQuery('I')))
	question := slices.Concat(proxytest.Bind("", "s", [][]byte{[]byte("v")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	answer := slices.Concat([]byte{'2', 0, 0, 0, 4}, proxytest.DataRow([]byte("v")), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
	exchange(question, answer)
	wantNoAllocations(t, func() { exchange(question, nil) })
}
