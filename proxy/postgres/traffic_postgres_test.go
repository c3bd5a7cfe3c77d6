package postgres_test

import (
	"testing"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/proxytest/rig"
	"overdrive/proxy/traffic"
)

// onlyTraffic is that of the one user there is, once so many clients have left.
func onlyTraffic(t *testing.T, in *rig.Instance, ends uint64) (only proxy.TrafficStatus) {
	t.Helper()
	rig.Await(t, "the end of clients", func() bool {
		list := in.Traffic()
		if len(list) != 1 {
			t.Fatalf("traffic of %d users, want 1", len(list))
		}
		only = list[0]
		n := uint64(0)
		for _, of := range only.Ends {
			n += of.N
		}
		return n == ends
	})
	return only
}

func TestTraffic_IsWhatClientsSentAndServersTook(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "traffic", "create table t(a int); insert into t values (1)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "traffic", Size: 1, Options: new(rig.Captured).Capture})
	c := in.Connect(t, "traffic")
	const slow = 50 * time.Millisecond
	rig.Ask(t, c, "select pg_sleep(0.05)")
	if _, err := c.Exec(t.Context(), "begin; select 1/0").ReadAll(); err == nil {
		t.Fatal("no error")
	}
	rig.Ask(t, c, "rollback")
	got := onlyTraffic(t, in, 0)
	if got.Database != "traffic" || got.User != "postgres" || got.Logins != 1 || got.Queries() != 3 || got.Transactions != 2 {
		t.Errorf("got %+v", got)
	}
	if got.Upstream.Count() != 3 || got.Upstream.Sum < slow || got.TransactionTime < slow {
		t.Errorf("%d batches took %v, transactions %v", got.Upstream.Count(), got.Upstream.Sum, got.TransactionTime)
	}
	if d := got.Answers[traffic.ByServer]; d.Count() != 3 || d.Sum < slow {
		t.Errorf("%d answers took %v", d.Count(), d.Sum)
	}
	if got.FromClients == 0 || got.ToClients == 0 || got.FromServers == 0 || got.ToServers == 0 {
		t.Errorf("bytes: %d, %d, %d, %d", got.FromClients, got.ToClients, got.FromServers, got.ToServers)
	}
	for _, of := range got.ServerErrors {
		if want := uint64(0); of.N != want && of.Word != "22" {
			t.Errorf("%d errors of class %s", of.N, of.Word)
		}
	}
	rig.CloseConn(c)
	if got = onlyTraffic(t, in, 1); got.Ends[0].N != 1 {
		t.Errorf("ends: %v", got.Ends)
	}
}
