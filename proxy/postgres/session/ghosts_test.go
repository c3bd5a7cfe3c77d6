package session

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest"
)

// loseWrites has the server break while n writes of as many batches are under way.
func loseWrites(t *testing.T, st *stage, sql string, n int) {
	t.Helper()
	c := st.connect("client")
	for range n {
		c.sends(proxytest.Query(sql))
	}
	v := st.servers[len(st.servers)-1]
	v.conn.PID, v.conn.Login = 4711, time.Now()
	st.breakServers()
	st.wantNoMarks(t)
}

func wantAbandoned(t *testing.T, st *stage, want int64) {
	t.Helper()
	if got := st.identity.Cache.Stats().Abandoned; got != want {
		t.Errorf("%d writes are abandoned, want %d", got, want)
	}
}

// serverWith is an answer that names these backends of a server that has been there for long.
func serverWith(pids ...uint32) *Backends {
	b := &Backends{age: time.Hour, there: map[uint32]bool{1: true}}
	for _, pid := range pids {
		b.there[pid] = true
	}
	return b
}

func TestGhosts_KeepTheirWritesUnsettledUntilTheirBackendIsGone(t *testing.T) {
	st := newStage(t, setup{cache: true})
	loseWrites(t, st, "update t set a = a + 1", 3)
	wantAbandoned(t, st, 3)
	if st.asks == 0 {
		t.Error("the keeper is not told")
	}
	asked := st.identity.Ghosts.List()
	st.identity.SettleGhosts(asked, time.Now(), serverWith(4711))
	wantAbandoned(t, st, 3)
	before := st.identity.Cache.Stats().Invalidations
	st.identity.SettleGhosts(asked, time.Now(), serverWith())
	wantAbandoned(t, st, 0)
	if got := st.identity.Cache.Stats().Invalidations - before; got != 3 {
		t.Errorf("%d writes have invalidated, want 3", got)
	}
	if left := st.identity.Ghosts.List(); len(left) != 0 {
		t.Errorf("%d ghosts are left", len(left))
	}
}

// An answer says nothing of a connection that was lost after the question.
func TestGhosts_AreJudgedByAQuestionThatNamedThem(t *testing.T) {
	st := newStage(t, setup{cache: true})
	asked := st.identity.Ghosts.List()
	loseWrites(t, st, "update t set a = a + 1", 1)
	st.identity.SettleGhosts(asked, time.Now(), serverWith())
	wantAbandoned(t, st, 1)
}

// Whoever gives up a connection that owes replies to a write leaves a ghost behind; no abandoned write is without one.
func TestGhosts_HaveEveryWriteThatIsAbandoned(t *testing.T) {
	t.Parallel()
	some := 0
	for write, first := range markedWrites {
		for end, finally := range markEnds {
			t.Run(write+"/"+end, func(t *testing.T) {
				st := newStage(t, setup{cache: true})
				st.db = map[string]int{}
				c := st.connect("client")
				c.peer.send(first)
				st.settleUpTo(0)
				for _, v := range st.servers {
					v.conn.PID, v.conn.cancelling.underWay = 4711, 1 // no request to cancel goes to that number
				}
				finally(st, c)
				if !c.ended {
					c.peer.broken = errTestReset
				}
				st.settleUpTo(0)
				st.cancelsArrive(nil)
				st.runTimers()
				some += int(st.identity.Cache.Stats().Abandoned)
				st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith())
				wantAbandoned(t, st, 0)
			})
		}
	}
	if some == 0 {
		t.Error("no write was abandoned in any way")
	}
}

// DDL that takes effect late changes what the catalog says after it was looked at anew, and a trigger that was made meanwhile may
// have fired.
func TestGhosts_HaveTheCatalogLookedAtAnewAfterDDL(t *testing.T) {
	st := newStage(t, setup{cache: true})
	loseWrites(t, st, "create type fresh as (a int)", 1)
	st.learnCatalog()
	st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith(4711))
	if st.identity.Usual.Classifier.Catalog() == nil {
		t.Error("the catalog is forgotten before the DDL is over")
	}
	st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith())
	if st.identity.Usual.Classifier.Catalog() != nil {
		t.Error("the catalog is trusted that was loaded before the DDL was over")
	}
}

func TestGhosts_AreBounded(t *testing.T) {
	st := newStage(t, setup{cache: true})
	for range maxGhosts + 1 {
		st.identity.haunt(&Backend{PID: 4711}, []mark{{left: st.identity.Cache.BeginWrite(&Unseen.Statement).Abandon()}})
	}
	if got := len(st.identity.Ghosts.List()); got != maxGhosts {
		t.Errorf("%d ghosts, want %d", got, maxGhosts)
	}
	st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith())
	wantAbandoned(t, st, 1)
}

func TestGhosts_AreAskedForEverMoreSeldom(t *testing.T) {
	st := newStage(t, setup{cache: true})
	if got := st.identity.Ghosts.Patience(); got < time.Hour {
		t.Errorf("without ghosts the keeper looks again after %v", got)
	}
	loseWrites(t, st, "update t set a = a + 1", 1)
	for _, want := range []time.Duration{ghostPause, 2 * ghostPause, 4 * ghostPause} {
		if got := st.identity.Ghosts.Patience(); got != want {
			t.Errorf("it looks again after %v, want %v", got, want)
		}
		st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith(4711))
	}
	for range 10 {
		st.identity.SettleGhosts(st.identity.Ghosts.List(), time.Now(), serverWith(4711))
	}
	if got := st.identity.Ghosts.Patience(); got != ghostPoll {
		t.Errorf("after many looks it looks again after %v, want %v", got, ghostPoll)
	}
}

func TestGhosts_WhoIsGoneIsCertain(t *testing.T) {
	now := time.Now()
	g := &Ghost{Backend: Backend{PID: 7, Login: now.Add(-time.Minute)}}
	onStandby := &Ghost{Backend: Backend{PID: 7, Login: g.Login, Standby: true}}
	there, none := map[uint32]bool{7: true}, map[uint32]bool{8: true}
	for name, c := range map[string]struct {
		ghost *Ghost
		seen  *Backends
		may   bool
	}{
		"there":                            {g, &Backends{age: time.Hour, there: there}, true},
		"not there":                        {g, &Backends{age: time.Hour, there: none}, false},
		"there, after a restart":           {g, &Backends{age: 58 * time.Second, there: there}, false},
		"there, perhaps after a restart":   {g, &Backends{age: 59500 * time.Millisecond, there: there}, true},
		"not there, on a standby":          {g, &Backends{age: time.Hour, there: none, standby: true}, true},
		"a standby that was restarted":     {g, &Backends{age: time.Second, there: none, standby: true}, true},
		"of a standby, not there":          {onStandby, &Backends{age: time.Hour, there: none, standby: true}, false},
		"of a standby, there":              {onStandby, &Backends{age: time.Hour, there: there, standby: true}, true},
		"of a standby that has taken over": {onStandby, &Backends{age: time.Hour, there: none}, false},
	} {
		if got := c.seen.mayHave(c.ghost, now); got != c.may {
			t.Errorf("%s: got %v, want %v", name, got, c.may)
		}
	}
}

// Behind a pooler the number that a login tells is the pooler's, and no backend has it.
func TestGhosts_NumbersThatAreNotTheServersMeanNothing(t *testing.T) {
	for name, c := range map[string]struct {
		rows [][]string
		ok   bool
	}{
		"a server":             {[][]string{{"5", "t", "f", "1000"}, {"7", "f", "f", "1000"}}, true},
		"a pooler":             {[][]string{{"6", "t", "f", "1000"}}, false},
		"one that lists none":  {nil, false},
		"without the one":      {[][]string{{"5", "f", "f", "1000"}}, false},
		"no number":            {[][]string{{"5", "t", "f", "1000"}, {"x", "f", "f", "1000"}}, false},
		"no age":               {[][]string{{"5", "t", "f", ""}}, false},
		"an age beyond bounds": {[][]string{{"5", "t", "f", "9223372036854775807"}}, false},
		"another shape":        {[][]string{{"5", "t"}}, false},
	} {
		if got := ReadBackends(c.rows, 5) != nil; got != c.ok {
			t.Errorf("%s: believed: %v, want %v", name, got, c.ok)
		}
	}
	if b := ReadBackends([][]string{{"5", "t", "t", "1500"}, {"7", "f", "t", "1500"}}, 5); !b.standby || b.age != 1500*time.Millisecond || !b.there[7] {
		t.Errorf("read as %+v", b)
	}
}

func TestGhosts_ImpossibleNumbersAreNotAskedFor(t *testing.T) {
	st := newStage(t, setup{cache: true})
	for _, pid := range []uint32{0, 1 << 31, 1<<32 - 1} {
		st.identity.haunt(&Backend{PID: pid}, []mark{{left: st.identity.Cache.BeginWrite(&Unseen.Statement).Abandon()}})
	}
	if got := len(st.identity.Ghosts.List()); got != 0 {
		t.Errorf("%d ghosts of no process", got)
	}
	wantAbandoned(t, st, 3)
}
