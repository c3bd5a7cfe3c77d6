package catalog

import (
	"context"
	"testing"

	"overdrive/proxy/proxytest"
)

func TestShelf_CountsLooksLoadsAndFailures(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	k := keep(t, pg, "counted")
	first := k.given.Shelf.Counts()
	if first.Loads.Count() != 1 || first.Loads.Sum <= 0 || first.Looks.Count() < 1 || first.Failures != 0 {
		t.Fatalf("at first: %+v", first)
	}
	pg.ExecIn("counted", "create table u (a int)")
	attend(t, k)
	second := k.given.Shelf.Counts()
	if second.Loads.Count() != 2 || second.Looks.Count() <= first.Looks.Count() {
		t.Errorf("after a change: %+v", second)
	}
	pg.Exec("alter database counted allow_connections false")
	k.hangUp()
	k.disconnect()
	k.known = nil
	if k.look(context.Background()) == nil {
		t.Fatal("a look succeeds where nobody may log in")
	}
	if n := k.given.Shelf.Counts().Failures; n != 1 {
		t.Errorf("%d failures, want 1", n)
	}
}
