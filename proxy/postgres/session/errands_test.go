package session

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// A message whose time is over while its server is being given settings is not sent when that server is lost and another one takes
// its place; and nothing of it is left for the next message.
func TestStatementTimeout_HoldsForAMessageWhoseServerIsLost(t *testing.T) {
	for _, late := range []bool{false, true} { // the time is over before the server is lost, or behind it
		t.Run(fmt.Sprint("late: ", late), func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			st.db = map[string]int{}
			st.identity.login.Store(&classify.Login{Timeout: 500})
			c, other := st.connect("client"), st.connect("other")
			other.sends(proxytest.Query("set timezone to 'cet'"))
			c.peer.got = nil
			c.peer.send(proxytest.Query("select a from t"))
			for c.session.state != settling {
				st.step(func(int) int { return 0 })
			}
			expire := func() {
				if n := st.fireTimers(patienceOfTest); n != 1 {
					t.Fatalf("%d timers run for half a second, want the statement's", n)
				}
			}
			if !late {
				expire()
			}
			c.session.srv.peer.(*recorder).broken = errTestReset
			for _, v := range st.servers {
				v.peer.got = nil
			}
			for c.session.srv != nil {
				c.session.srv.peer.(*recorder).deliver()
			}
			if late {
				expire()
			}
			st.settle()
			if got := codesOf(c.peer.got); typesOf(c.peer.got) != "EZ" || got[0] != "57014" {
				t.Errorf("got\n\t%s\nwant an error 57014", show(c.peer.got))
			}
			c.peer.got = nil
			waits := st.connect("waits")
			waits.sends(proxytest.Query("begin"))
			c.sends(proxytest.Query("select 'innocent'"))
			waits.sends(proxytest.Query("commit"))
			if got := typesOf(c.peer.got); got != "TDCZ" {
				t.Errorf("the next statement got\n\t%s", show(c.peer.got))
			}
		})
	}
}

// What a refresh leaves on a server is nobody's who comes after it.
func TestRefresh_StainsItsServerForEverybody(t *testing.T) {
	st := newStage(t, setup{cache: true})
	c := st.connect("client")
	c.sends(proxytest.Query("begin"))
	srv := c.session.srv
	for range 2 {
		c.driver.Refresh(nil, refreshQuery([]byte("select a from t1")))
		r := st.refreshes[len(st.refreshes)-1]
		if r.noteCode(srv, &classify.Verdict{Statement: verdict.Statement{Effect: verdict.EffectEverything}, Session: classify.Configures}); srv.params.stain == 0 || !c.session.mustWash() {
			t.Errorf("a refresh has run unknown code, and its server bears the mark %d", srv.params.stain)
		}
		if srv.params.stain != r.login.id {
			t.Error("the mark is not the refresh's own")
		}
	}
}

// Only the answers that are taken in count against what may follow a client, not those of questions that failed and were repeated.
func TestSettings_OfQuestionsThatWereRepeatedCountOnce(t *testing.T) {
	st := newStage(t, setup{})
	c := st.connect("client")
	c.sends(proxytest.Query("set search_path to b"))
	v := st.servers[0]
	v.sends(proxytest.CommandComplete("SET"), proxytest.ReadyForQuery('I'))
	value := proxytest.DataRow([]byte(strings.Repeat("x", 200<<10)))
	failed := pgwire.AppendError(nil, pgwire.ErrorReport{Severity: "ERROR", Code: pgwire.CodeQueryCanceled, Message: "canceled"})
	for range maxTries - 1 {
		v.sends(value, proxytest.CommandComplete("SELECT 1"), failed, proxytest.ReadyForQuery('I'))
	}
	v.sends(value, proxytest.CommandComplete("SELECT 1"), proxytest.ReadyForQuery('I'))
	if c.session.pins != 0 || c.session.srv != nil {
		t.Errorf("the session is pinned: %v", c.session.pins)
	}
}
