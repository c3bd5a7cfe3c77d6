package checklist_test

import (
	"fmt"
	"slices"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// A herd is many clients who ask the same at the same time.
type herd struct {
	*steppedBench
	sql    string
	leader *proxytest.Wire // who asks first
	others []*proxytest.Wire
}

func (b *steppedBench) herd(t *testing.T, n int, sql string) *herd {
	t.Helper()
	login := proxytest.Login{User: "postgres", Database: b.database}
	h := &herd{steppedBench: b, sql: sql, leader: b.Dial(t, login)}
	for range n - 1 {
		h.others = append(h.others, b.Dial(t, login))
	}
	return h
}

// openServers has the pool open all its connections.
func (b *steppedBench) openServers(t *testing.T) {
	t.Helper()
	for range 4 {
		c := b.connect(t)
		rig.Ask(t, c, "begin")
		defer rig.CloseConn(c)
	}
}

// ask has the leader ask, the others once the server has the question, and returns when the proxy has taken up all of it.
func (h *herd) ask(t *testing.T, reached func()) {
	t.Helper()
	for i, w := range slices.Concat([]*proxytest.Wire{h.leader}, h.others) {
		if err := w.Send(proxytest.Query(h.sql)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			reached()
		}
	}
	h.fence(t)
}

// wantAnswers fails the test unless all of clients are answered with a value or an SQLSTATE.
func (h *herd) wantAnswers(t *testing.T, want string, clients ...*proxytest.Wire) {
	t.Helper()
	wrong := 0
	for i, w := range clients {
		got, err := w.ReceiveReady(1)
		said := ""
		for _, m := range got {
			switch m.Type {
			case 'D':
				said = string(m.Body[6:])
			case 'E':
				said = rig.Fields(m)['C']
			}
		}
		if said != want || err != nil {
			if wrong++; wrong <= 5 {
				t.Errorf("client %d of %d got %q, %v, want %q", i, len(clients), said, err, want)
			}
		}
	}
	if wrong > 5 {
		t.Errorf("%d clients got something else", wrong)
	}
}

// wantStatus fails the test unless n of clients have the status.
func (h *herd) wantStatus(t *testing.T, word string, n int, clients ...*proxytest.Wire) {
	t.Helper()
	words := make(map[string]int)
	for _, w := range clients {
		got, err := w.Ask(proxytest.Query("show overdrive.status"))
		if err != nil || len(got) < 2 {
			t.Fatalf("got %v, %v", got, err)
		}
		words[string(got[1].Body[6:])]++
	}
	if words[word] != n {
		t.Errorf("the statuses are %v, want %d %s", words, n, word)
	}
}

// wantQuestions fails the test unless the server was asked n times since it had been asked before times.
func (h *herd) wantQuestions(t *testing.T, before, n int) {
	t.Helper()
	if got := h.relay.Count(rowKey) - before; got != n {
		t.Errorf("the server was asked %d times, want %d", got, n)
	}
}

func TestChecklist_R13_AHerdAsksTheServerOnce(t *testing.T) {
	t.Parallel()
	b := startStepped(t, "checklist_r13", rowTable)
	b.openServers(t) // else many would be late because they wait for one
	t.Run("AThousandClients", func(t *testing.T) {
		h := b.herd(t, 1000, rowQuery)
		held := b.relay.HoldAnswer(t, rowKey)
		h.ask(t, func() { <-held.Reached })
		held.Release()
		h.wantAnswers(t, "old", append(h.others, h.leader)...)
		h.wantQuestions(t, 0, 1)
		h.wantStatus(t, "miss", 1, h.leader)
		h.wantStatus(t, "coalesced", 999, h.others...)
	})
	for name, end := range map[string]func(t *testing.T, h *herd){
		"TheLeaderVanishes": func(t *testing.T, h *herd) { resetConn(t, h.leader.Conn()) },
		"TheLeaderCancels": func(t *testing.T, h *herd) {
			rig.SendCancel(t, b.Instance, rig.KeyOf(h.leader.Startup))
			h.wantAnswers(t, "57014", h.leader)
		},
		"TheLeadersServerDies": func(t *testing.T, h *herd) {
			rig.Ask(t, rig.Direct(t, proxytest.SharedPostgres(t), "postgres"), "select pg_terminate_backend(pid) from pg_stat_activity "+
				"where datname = 'checklist_r13' and wait_event_type = 'Lock' and query like '%"+rowKey+"%' order by query_start limit 1")
		},
	} {
		t.Run(name, func(t *testing.T) { b.herdLosesItsLeader(t, end) })
	}
	t.Run("AWaiterCancels", b.waiterCancels)
	t.Run("TheAnswerIsAnError", func(t *testing.T) {
		h := b.herd(t, 20, fmt.Sprintf("select 1 / (length(k) - %d) from t where k = '%s'", len(rowKey), rowKey))
		before, held := b.relay.Count(rowKey), b.relay.HoldAnswer(t, rowKey)
		h.ask(t, func() { <-held.Reached })
		held.Release()
		h.wantAnswers(t, "22012", append(h.others, h.leader)...)
		h.wantQuestions(t, before, 20)
	})
}

// herdLosesItsLeader has the question wait for a lock at the server, and end happen to who asked it first. The next one
// asks again, and the rest need not.
func (b *steppedBench) herdLosesItsLeader(t *testing.T, end func(t *testing.T, h *herd)) {
	h := b.herd(t, 20, rowQuery)
	b.kept().Purge()
	before := b.relay.Count(rowKey)
	rig.Ask(t, b.real, "begin; lock table t in access exclusive mode")
	h.ask(t, func() { b.awaitLocked(t, 1) })
	end(t, h)
	rig.Await(t, "another to ask", func() bool { return b.relay.Count(rowKey)-before >= 2 })
	rig.Ask(t, b.real, "commit")
	h.wantAnswers(t, "old", h.others...)
	h.wantQuestions(t, before, 2)
	h.wantStatus(t, "coalesced", len(h.others)-1, h.others...)
}

// awaitLocked waits until n questions wait for a lock at the server.
func (b *steppedBench) awaitLocked(t *testing.T, n int) {
	t.Helper()
	c := rig.Direct(t, proxytest.SharedPostgres(t), "postgres")
	rig.Await(t, "a question to wait for the lock", func() bool {
		return rig.Ask(t, c, "select count(*) from pg_stat_activity where datname = '"+b.database+"' and wait_event_type = 'Lock'") == fmt.Sprint(n)
	})
}

// waiterCancels has one who waits for another's answer give up. Nobody else notices.
func (b *steppedBench) waiterCancels(t *testing.T) {
	h := b.herd(t, 20, rowQuery)
	b.kept().Purge()
	before, held := b.relay.Count(rowKey), b.relay.HoldAnswer(t, rowKey)
	h.ask(t, func() { <-held.Reached })
	rig.SendCancel(t, b.Instance, rig.KeyOf(h.others[7].Startup))
	h.wantAnswers(t, "57014", h.others[7])
	h.others[9].Conn().Close()
	h.fence(t)
	held.Release()
	h.wantAnswers(t, "old", slices.Concat(h.others[:7], h.others[8:9], h.others[10:], []*proxytest.Wire{h.leader})...)
	h.wantQuestions(t, before, 1)
	if _, err := h.others[7].Ask(proxytest.Query("select 1")); err != nil {
		t.Errorf("who gave up cannot go on: %v", err)
	}
}
