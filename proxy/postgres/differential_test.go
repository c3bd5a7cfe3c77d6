package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// scripts are conversations in the wire protocol; see their folder's setup.sql for the tables.
func scripts(tb testing.TB) map[string]*proxytest.Script {
	tb.Helper()
	paths, err := filepath.Glob("../../testdata/scripts/*.txt")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no scripts: %v", err)
	}
	all := make(map[string]*proxytest.Script)
	for _, path := range paths {
		script, err := proxytest.ReadScript(path)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".txt")] = script
	}
	return all
}

// scriptDatabase makes the database that scripts talk to.
func scriptDatabase(tb testing.TB, pg *proxytest.Postgres, name string) {
	tb.Helper()
	setup, err := os.ReadFile("../../testdata/scripts/setup.sql")
	if err != nil {
		tb.Fatal(err)
	}
	pg.Exec("create database " + name)
	pg.ExecIn(name, string(setup))
}

// The strongest test of a transparent proxy: the same bytes straight to PostgreSQL and through the proxy give the same
// messages, byte for byte. Other clients keep the few servers busy all the while, so that hardly any transaction of a
// script runs where the one before it ran. Through each proxy a script runs twice: the second time the cache has
// something to say.
func TestDifferential_ProxyAnswersAsPostgresDoes(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	scriptDatabase(t, pg, "differential")
	login := proxytest.Login{User: "postgres", Database: "differential"}
	to := func(address string) proxytest.Dialer {
		return func(string) (*proxytest.Wire, error) { return proxytest.Dial(t.Context(), address, login) }
	}
	proxies := map[string]*rig.Instance{}
	for name, s := range map[string]rig.Setup{
		"transaction pooling":            {Size: 3},
		"transaction pooling with cache": {Size: 3, Caching: true},
		"the same, in transactions, too": {Size: 3, Caching: true, Options: inTransactions},
		"session pooling":                {Size: 12, Mode: postgres.SessionPooling},
	} {
		s.Upstream, s.Database = pg.Addr(), "differential"
		proxies[name] = rig.Start(t, s)
		defer keepBusy(t, proxies[name], login, 6)()
	}
	for name, script := range scripts(t) {
		t.Run(name, func(t *testing.T) {
			var want proxytest.Transcript
			for range 2 { // the first run leaves the tables as the later ones will find them
				var err error
				if want, err = script.Run(to(pg.Addr())); err != nil {
					t.Fatalf("straight to PostgreSQL: %v", err)
				}
			}
			for kind, in := range proxies {
				for run := range 2 {
					got, err := script.Run(to(in.Address))
					if err != nil || got.String() != want.String() {
						t.Fatalf("%s, run %d: %v\ngot\n%.9000s\nwant\n%.9000s", kind, run, err, got, want)
					}
				}
			}
		})
	}
}

// keepBusy has n clients ask for something of their own again and again, and fails the test if they get anything else.
func keepBusy(t *testing.T, in *rig.Instance, login proxytest.Login, n int) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var clients sync.WaitGroup
	for i := range n {
		w := in.Dial(t, login)
		clients.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-done:
					return
				default:
				}
				mine := fmt.Sprintf("client %d round %d", i, round)
				got, err := w.Ask(proxytest.Parse("", "select $1::text"),
					proxytest.Bind("", "", [][]byte{[]byte(mine)}, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
				if err != nil || len(got) != 5 || !strings.Contains(string(got[2].Bytes()), mine) {
					t.Errorf("%s got %v, %v", mine, got, err)
					return
				}
			}
		})
	}
	return func() {
		close(done)
		clients.Wait()
	}
}
