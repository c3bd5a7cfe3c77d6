package postgres_test

import (
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
)

// One of two servers ends, and the other takes over: a client goes on there, is told nothing any more that only the first knew, and
// cancels what runs there.
func TestHosts_AClientGoesOnWhereAnotherServerTakesOver(t *testing.T) {
	t.Parallel()
	const question, never = "select what from told", "select what from told order by random()"
	first, second := proxytest.StartPostgres(t), proxytest.StartPostgres(t)
	first.Exec("create table told (what text); insert into told values ('first')")
	second.Exec("create table told (what text); insert into told values ('second')")
	in := rig.Start(t, rig.Setup{Upstream: first.Addr(), Database: "postgres", Size: 4, Caching: true, Options: func(o *rig.Options) {
		target := &o.Databases[0].Target
		target.SessionAttrs = upstream.SessionPrimary
		target.Others = []upstream.Endpoint{{Host: "127.0.0.1", Port: second.Port()}}
	}})
	c := in.Connect(t, "postgres")
	awaitHit(t, c, question)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	rig.Await(t, "the second server to be asked", func() bool {
		said, err := rig.Try(t.Context(), c, never)
		return err == nil && said == "second"
	})
	if said := rig.Ask(t, c, question); said != "second" {
		t.Errorf("got %q, want what the second server says", said)
	}
	answer := rig.Asking(t, c, "select pg_sleep(600)")
	rig.AwaitQuery(t, second, "select pg_sleep(600)")
	if err := c.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.WantState(t, <-answer, "57014")
}
