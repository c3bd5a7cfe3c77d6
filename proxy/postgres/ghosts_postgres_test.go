package postgres_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// soon is within what a hit must come back, with room for a machine that is busy.
const soon = 20 * time.Second

// A cuttingRelay is the proxy's way to the server. It can break connections at the proxy's side alone: the server, which waits for
// nothing from there, does not notice.
type cuttingRelay struct {
	address string // to connect to

	mu    sync.Mutex // guards links
	links []*cutLink
}

type cutLink struct {
	near, far net.Conn // the proxy's, the server's
	said      bytes.Buffer
	cut       bool
}

func startCuttingRelay(t *testing.T, server string) *cuttingRelay {
	t.Helper()
	r := new(cuttingRelay)
	r.address = rig.AcceptEach(t, func(near net.Conn) {
		far, err := net.Dial("tcp", server)
		if err != nil {
			near.Close()
			return
		}
		t.Cleanup(func() { near.Close(); far.Close() })
		l := &cutLink{near: near, far: far}
		r.mu.Lock()
		r.links = append(r.links, l)
		r.mu.Unlock()
		go r.carry(l)
		_, _ = io.Copy(near, far)
		near.Close()
	})
	return r
}

// carry passes on what the proxy says, and notes it.
func (r *cuttingRelay) carry(l *cutLink) {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.near.Read(buf)
		r.mu.Lock()
		l.said.Write(buf[:n])
		cut := l.cut
		r.mu.Unlock()
		if cut {
			return
		}
		if _, write := l.far.Write(buf[:n]); err != nil || write != nil {
			l.far.Close()
			return
		}
	}
}

// cut breaks the connection, on which marker was said, at the proxy's side, and returns what breaks it at the server's.
func (r *cuttingRelay) cut(t *testing.T, marker string) (atTheServer func()) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		if !l.cut && bytes.Contains(l.said.Bytes(), []byte(marker)) {
			l.cut = true
			l.near.Close()
			return func() { l.far.Close() }
		}
	}
	t.Fatalf("nobody has said %s", marker)
	return nil
}

// hitAgain asks until an answer comes from the cache, and returns it.
func hitAgain(t *testing.T, c *pgconn.PgConn, sql string) string {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		got := rig.Ask(t, c, sql)
		if rig.Status(t, c) == "hit" {
			t.Logf("hit after %v", time.Since(began))
			return got
		}
		if time.Since(began) > soon {
			t.Fatalf("after %v the status of %s is %s", soon, sql, rig.Status(t, c))
		}
	}
}

// ghostWrites are lost with their connection: by a table that is known, and by a function that may do anything.
var ghostWrites = map[string]string{"table": "update t set a = 2", "function": "select slow(0)"}

const ghostSchema = `create table t (a int); insert into t values (1);
	create function slow(seconds float) returns void language plpgsql as $$ begin perform pg_sleep(seconds); update t set a = 2; perform pg_sleep(seconds); end $$`

func TestGhosts_HitsComeBackSoonAfterAWriteWasLost(t *testing.T) {
	t.Parallel()
	for name, write := range ghostWrites {
		t.Run(name, func(t *testing.T) {
			database := "ghosts_" + name
			pg := rig.NewDatabase(t, database, ghostSchema)
			relay := rig.StartHoldingRelay(t, pg.Addr())
			in := rig.Start(t, rig.Setup{Upstream: relay.Address, Database: database, Size: 3, Caching: true})
			reader, writer := in.Connect(t, database), in.Connect(t, database)
			rig.Prime(t, reader, "select a from t")
			held := relay.HoldAnswer(t, write)
			lost := make(chan error, 1)
			go func() {
				_, err := rig.Try(context.WithoutCancel(t.Context()), writer, write)
				lost <- err
			}()
			<-held.Reached
			held.Cut()
			if err := <-lost; err == nil {
				t.Fatal("the client was answered")
			}
			if got := hitAgain(t, reader, "select a from t"); got != "2" {
				t.Errorf("the cache says %s, want 2", got)
			}
		})
	}
}

// The server goes on with what it was asked for, long after the proxy has lost the connection.
func TestGhosts_NothingIsKeptWhileABackendMayStillCommit(t *testing.T) {
	t.Parallel()
	const database, write = "ghosts_late", "select slow(2)"
	pg := rig.NewDatabase(t, database, ghostSchema)
	relay := startCuttingRelay(t, pg.Addr())
	in := rig.Start(t, rig.Setup{Upstream: relay.address, Database: database, Size: 3, Caching: true})
	reader, writer := in.Connect(t, database), in.Connect(t, database)
	rig.Prime(t, reader, "select a from t")
	lost := rig.Asking(t, writer, write)
	rig.AwaitQuery(t, pg, write)
	atTheServer := relay.cut(t, write)
	if err := <-lost; err == nil {
		t.Fatal("the client was answered")
	}
	var old int
	for {
		got := rig.Ask(t, reader, "select a from t")
		if word := rig.Status(t, reader); word == "hit" {
			t.Fatalf("%s was served from the cache while the backend may write", got)
		}
		if got == "2" {
			break
		}
		old++
		time.Sleep(10 * time.Millisecond)
	}
	if old == 0 {
		t.Error("the write was over before it could be watched")
	}
	for over := time.Now().Add(time.Second); time.Now().Before(over); time.Sleep(10 * time.Millisecond) {
		if rig.Ask(t, reader, "select a from t"); rig.Status(t, reader) == "hit" {
			t.Fatal("the cache answers though the backend is there")
		}
	}
	atTheServer()
	if got := hitAgain(t, reader, "select a from t"); got != "2" {
		t.Errorf("the cache says %s, want 2", got)
	}
}

// Numbers of processes begin anew, and those of before mean nothing.
func TestGhosts_ARestartEndsThemAll(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t)
	pg.Exec("create database ghosts_restart")
	pg.ExecIn("ghosts_restart", ghostSchema)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "ghosts_restart", Size: 3, Caching: true})
	reader, writer := in.Connect(t, "ghosts_restart"), in.Connect(t, "ghosts_restart")
	rig.Prime(t, reader, "select a from t")
	lost := rig.Asking(t, writer, "select slow(30)")
	rig.AwaitQuery(t, pg, "select slow(30)")
	pg.Restart()
	if err := <-lost; err == nil {
		t.Fatal("the client was answered")
	}
	reader = in.Connect(t, "ghosts_restart") // the old one may have had a server
	if got := hitAgain(t, reader, "select a from t"); got != "1" {
		t.Errorf("the cache says %s, want 1", got)
	}
}

// What was prepared takes effect by a statement of its own.
func TestGhosts_APreparedTransactionIsSeenWhenItIsCommitted(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t, proxytest.WithSetting("max_prepared_transactions", "5"))
	pg.Exec("create database ghosts_prepared")
	pg.ExecIn("ghosts_prepared", ghostSchema)
	relay := rig.StartHoldingRelay(t, pg.Addr())
	in := rig.Start(t, rig.Setup{Upstream: relay.Address, Database: "ghosts_prepared", Size: 3, Caching: true})
	reader, writer := in.Connect(t, "ghosts_prepared"), in.Connect(t, "ghosts_prepared")
	rig.Prime(t, reader, "select a from t")
	rig.Ask(t, writer, "begin; update t set a = 2")
	held := relay.HoldAnswer(t, "prepare transaction")
	lost := rig.Asking(t, writer, "prepare transaction 'late'")
	<-held.Reached
	held.Cut()
	<-lost
	if got := hitAgain(t, reader, "select a from t"); got != "1" {
		t.Errorf("the cache says %s, want 1", got)
	}
	other := in.Connect(t, "ghosts_prepared")
	rig.Ask(t, other, "commit prepared 'late'")
	if got := rig.Ask(t, reader, "select a from t"); got != "2" {
		t.Errorf("after COMMIT PREPARED the answer is %s (%s), want 2", got, rig.Status(t, reader))
	}
}

// Nobody reads any more, and still the writes are settled: users of other roles share the cache.
func TestGhosts_AreSettledWhenTheirClientsHaveLeft(t *testing.T) {
	t.Parallel()
	const database = "ghosts_left"
	pg := rig.NewDatabase(t, database, ghostSchema)
	relay := startCuttingRelay(t, pg.Addr())
	in := rig.Start(t, rig.Setup{Upstream: relay.address, Database: database, Size: 2, Caching: true})
	writer := in.Connect(t, database)
	rig.Ask(t, writer, "select 1")
	rig.Prime(t, writer, "select a from t")
	lost := rig.Asking(t, writer, "select slow(0.5)")
	rig.AwaitQuery(t, pg, "select slow(0.5)")
	relay.cut(t, "select slow(0.5)")()
	<-lost
	if n := in.Cache.Stats().Abandoned; n == 0 {
		t.Error("no write was abandoned")
	}
	writer.Close(t.Context())
	rig.Await(t, "the write to be settled", func() bool {
		return in.Cache.Stats().Abandoned == 0
	})
}
