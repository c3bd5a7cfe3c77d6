package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"overdrive/proxy/proxytest/rig"
)

// lastval and currval outside of the transaction of their nextval tell a client its own number, or that there is none, and never
// another's.
func TestSequences_NobodyIsToldAnothersNumber(t *testing.T) {
	t.Parallel()
	const clients, rounds = 8, 40
	pg := rig.NewDatabase(t, "sequences", `create table t(id serial primary key, whose text);
		create function draw_id() returns bigint language plpgsql as $$ begin return nextval('t_id_seq'); end $$`)
	for _, caching := range []bool{true, false} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "sequences", Size: 3, Caching: caching})
		var own, none atomic.Int64
		var all sync.WaitGroup
		for i := range clients {
			c := in.Connect(t, "sequences")
			all.Go(func() {
				for round := range rounds {
					whose := fmt.Sprint(i, " ", round, " ", caching)
					draw := "insert into t(whose) values ('" + whose + "') returning id"
					if round%4 == 3 {
						draw = "select draw_id()"
					}
					id, err := rig.Try(t.Context(), c, draw)
					if err != nil {
						t.Error(err)
						return
					}
					question := []string{"select lastval()", "select currval('t_id_seq')", "select currval(pg_get_serial_sequence('t', 'id'))"}[round%3]
					var got string
					if round%2 == 0 {
						got, err = rig.Try(t.Context(), c, question)
					} else {
						got, err = rig.AskExtended(t.Context(), c, 0, question)
					}
					switch {
					case rig.State(err) == "55000":
						none.Add(1)
					case err != nil || got != id:
						t.Errorf("%s: got %s, %v, want %s or 55000", question, got, err, id)
					default:
						own.Add(1)
					}
				}
			})
		}
		all.Wait()
		t.Logf("caching %v: %d found their own, %d none", caching, own.Load(), none.Load())
		alone := in.Connect(t, "sequences")
		for range 10 {
			id := rig.Ask(t, alone, "insert into t(whose) values ('alone') returning id")
			if got := rig.Ask(t, alone, "select lastval()"); got != id {
				t.Errorf("a client alone is told %s, want %s", got, id)
			}
		}
	}
}

// A client that comes back before anybody else has had its server finds what it has drawn, though another server was released later.
func TestSequences_TheSameServerAsBeforeIfNobodyElseHasHadIt(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "sequences_prefer", "create table t(id serial)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "sequences_prefer", Size: 4})
	c, other := in.Connect(t, "sequences_prefer"), in.Connect(t, "sequences_prefer")
	rig.Ask(t, other, "begin")
	id := rig.Ask(t, c, "insert into t default values returning id")
	rig.Ask(t, other, "commit") // its server is now the one that was used last
	if got := rig.Ask(t, c, "select lastval()"); got != id {
		t.Errorf("got %s, want %s", got, id)
	}
}
