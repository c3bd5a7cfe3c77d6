package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// A client in the middle of a batch keeps its server connection while the defaults of new logins change. What that connection answers
// is not the answer for the others, and they are told the new defaults.
func TestCache_AConnectionFromBeforeAlterRoleFillsNothing(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := rig.NewDatabase(t, "eras", `create table t(b bytea, n int); insert into t values ('\x00ff', 1), ('\x00ff', 2)`)
	t.Cleanup(func() { pg.Exec("alter role postgres in database eras reset all") })
	for i, c := range []struct{ parameter, value, sql, want string }{
		{"bytea_output", "escape", "select b from t where n = 1", `\000\377`},
		{"timezone", "Asia/Tokyo", "select timestamptz '2026-01-01 00:00Z' from t where n = 1", "2026-01-01 09:00:00+09"},
	} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "eras", Size: 4, Caching: true})
		rig.Prime(t, in.Connect(t, "eras"), "select n from t where n = 2")
		old := in.Dial(t, proxytest.Login{User: "postgres", Database: "eras"})
		begun := fmt.Sprintf("select n + %d from t where n = 1", i)
		if err := old.Send(proxytest.Parse("", begun), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Flush()); err != nil {
			t.Fatal(err)
		}
		for m := (proxytest.Message{}); m.Type != 'C'; {
			var err error
			if m, err = old.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		rig.Ask(t, in.Connect(t, "eras"), fmt.Sprintf("alter role postgres in database eras set %s = '%s'", c.parameter, c.value))
		for end := time.Now().Add(rig.Patience); rig.Ask(t, in.Connect(t, "eras"), "show "+c.parameter) != c.value; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("new logins do not have the new %s", c.parameter)
			}
		}
		unit := append(proxytest.Parse("", c.sql), append(proxytest.Bind("", "", nil, nil, nil), append(proxytest.Execute("", 0), proxytest.Sync()...)...)...)
		valueOf(t, old, unit)
		fresh := in.Dial(t, proxytest.Login{User: "postgres", Database: "eras"})
		for range 3 {
			if got := valueOf(t, fresh, unit); got != c.want {
				t.Errorf("%s: got %s, want %s", c.parameter, got, c.want)
			}
		}
	}
}

// valueOf sends messages that end a batch, and returns the last value that is answered.
func valueOf(t *testing.T, w *proxytest.Wire, messages []byte) (value string) {
	t.Helper()
	if err := w.Send(messages); err != nil {
		t.Fatal(err)
	}
	got, err := w.ReceiveReady(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		if values, err := pgwire.SplitDataRow(m.Body); m.Type == 'D' && err == nil {
			value = string(values[0])
		}
	}
	return value
}
