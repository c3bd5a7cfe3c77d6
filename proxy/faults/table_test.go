//go:build linux

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a client may be told. The server's own words are passed on: 57P01 terminated, 57P02 another backend crashed, 57P03 starting
// up or shutting down, 57014 statement_timeout, 53300 no connection left. That the proxy's own
// login is refused is 08006.
const (
	ended   = "57P01 08006" // of a connection that was open
	overdue = "57014"       // the server could not finish in time
	// unreachable is of a connection that was not to be had: 53300 says that others are, and all are busy. Who waits for one, waits
	// within his statement_timeout.
	unreachable = "08001 08006 53300 " + overdue
	starting    = "57P01 57P02 57P03 " // of a server that restarts
)

// A fault is one way for things to break.
type fault struct {
	name  string
	quick []bool // with the cache on, and off, where make test runs it too
	// codes are the SQLSTATEs that clients may read, and noCode where a message of an answer may be cut; empty: no client may
	// notice.
	codes string
	// parameters are further ones of the url, each behind a "&".
	parameters string
	// lasts bounds strike.
	lasts time.Duration
	// strike breaks something, and repairs it before it returns.
	strike func(l *lab)
	// recovery is the limit of the time to recover, if the usual one does not do.
	recovery time.Duration
}

const (
	outage = 3 * time.Second  // longer than statement_timeout
	long   = 20 * time.Second // longer than clients wait
)

var faults = []fault{
	{name: "backend killed", codes: starting + ended + " " + unreachable, lasts: outage, strike: func(l *lab) {
		l.signal(syscall.SIGKILL, l.backends("1")...)
		time.Sleep(time.Second)
	}},
	{name: "backends stopped", quick: []bool{true}, codes: unreachable, lasts: outage, strike: func(l *lab) {
		stopped := l.backends("all")
		l.signal(syscall.SIGSTOP, stopped...)
		time.Sleep(outage)
		l.signal(syscall.SIGCONT, stopped...)
	}},
	{name: "server stopped", codes: ended + " " + unreachable, lasts: outage, strike: func(l *lab) {
		postmaster, stopped := l.postmaster(), l.backends("all")
		l.terminate("2")
		l.signal(syscall.SIGSTOP, append(stopped, postmaster)...)
		time.Sleep(outage)
		l.signal(syscall.SIGCONT, append(stopped, postmaster)...)
	}},
	{name: "terminated 40 times", quick: []bool{true, false}, codes: ended, lasts: 2 * outage, strike: func(l *lab) {
		for range 40 {
			l.terminate("1")
			time.Sleep(50 * time.Millisecond)
		}
	}},
	{name: "all terminated", codes: ended, lasts: outage, strike: func(l *lab) { l.terminate("all") }},
	{name: "restarted", codes: starting + ended + " " + unreachable, lasts: 2 * outage, strike: func(l *lab) { l.pg.Restart() }},
	{name: "refused", codes: ended + " " + unreachable, lasts: outage, strike: func(l *lab) {
		l.relay.refuse()
		time.Sleep(outage)
		l.relay.listen(l.relay.address)
	}},
	{name: "refused for long", codes: ended + " " + unreachable, lasts: long, strike: func(l *lab) {
		l.relay.refuse()
		time.Sleep(long)
		l.relay.listen(l.relay.address)
	}},
	// Who took over the server's address knows nothing of the connections of before.
	{name: "black hole, beside it all is well", codes: ended + " " + unreachable, lasts: outage, recovery: 3 * limits.recovery,
		parameters: "&tcp_user_timeout=3000&keepalives_idle=1&keepalives_interval=1&keepalives_count=3",
		strike:     func(l *lab) { l.relay.vanish() }},
	{name: "black hole, then reset", codes: ended + " " + unreachable, lasts: outage, strike: func(l *lab) {
		l.relay.dig()
		time.Sleep(outage)
		l.relay.fill(false)
	}},
	// TCP sends again what was lost when it thinks fit, which is up to as long again as the hole was there.
	{name: "black hole, then on", codes: unreachable, lasts: outage, recovery: outage + limits.recovery, strike: func(l *lab) {
		l.relay.dig()
		time.Sleep(outage)
		l.relay.fill(true)
	}},
	{name: "all reset", codes: ended, lasts: outage, strike: func(l *lab) { l.relay.resetSome(1) }},
	{name: "resets", quick: []bool{true}, codes: ended, lasts: outage, strike: func(l *lab) {
		for range 40 {
			l.relay.resetSome(servers)
			time.Sleep(50 * time.Millisecond)
		}
	}},
	{name: "resets in messages", codes: ended + " " + unreachable + " " + noCode, lasts: outage, strike: manners(manner{
		broken: func() bool { return rand.IntN(100) == 0 },
	})},
	{name: "delays", lasts: outage, strike: manners(manner{delay: 20 * time.Millisecond})},
	{name: "split at every byte", quick: []bool{false}, lasts: outage, strike: manners(manner{cut: func(int) int { return 1 }})},
	{name: "split at each byte in turn", lasts: outage, strike: manners(manner{cut: func(n int) int { return rand.IntN(n) }})},
	{name: "split, resets, delays", codes: ended + " " + unreachable + " " + noCode, lasts: outage, strike: manners(manner{
		delay: time.Millisecond, cut: func(n int) int { return rand.IntN(n) }, broken: func() bool { return rand.IntN(300) == 0 },
	})},
	{name: "locked", codes: unreachable, lasts: outage, strike: func(l *lab) {
		l.pg.ExecIn(database, fmt.Sprintf("begin; lock table counter in access exclusive mode; select pg_sleep(%d); commit", int(outage.Seconds())))
	}},
	{name: "hasty guests", codes: unreachable, lasts: 2 * outage, strike: hasty},
	{name: "out of connections", codes: ended + " " + unreachable, lasts: 2 * outage, strike: hogged},
	{name: "role's limit", codes: ended + " " + unreachable, lasts: outage, strike: altered(
		"alter role "+role+" connection limit 2", "alter role "+role+" connection limit -1")},
	{name: "role's limit 0", codes: ended + " " + unreachable, lasts: outage, strike: altered(
		"alter role "+role+" connection limit 0", "alter role "+role+" connection limit -1")},
	{name: "password changed", codes: ended, lasts: outage, strike: altered(
		"alter role "+role+" password 'other'", "alter role "+role+" password '"+password+"'")},
	{name: "password changed, connections stay", lasts: outage, strike: func(l *lab) {
		l.pg.Exec("alter role " + role + " password 'other'")
		time.Sleep(outage)
		l.pg.Exec("alter role " + role + " password '" + password + "'")
	}},
	{name: "no login, role", codes: ended, lasts: outage, strike: altered(
		"alter role "+role+" nologin", "alter role "+role+" login")},
	{name: "database closed", codes: ended + " 55000 " + overdue, lasts: outage, strike: altered(
		"alter database "+database+" allow_connections false", "alter database "+database+" allow_connections true")},
}

// manners has the relay carry in this manner for a while.
func manners(m manner) func(*lab) {
	return func(l *lab) {
		l.relay.carried(m)
		time.Sleep(outage)
		l.relay.carried(manner{})
	}
}

// altered has new connections meet what change makes of the role, until back takes it back.
func altered(change, back string) func(*lab) {
	return func(l *lab) {
		l.pg.Exec(change)
		l.pg.Exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = '" + role + "'")
		time.Sleep(outage)
		l.pg.Exec(back)
	}
}

// hogged has others take every connection that the proxy does not hold, ends those of the proxy, and takes these too.
func hogged(l *lab) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*outage)
	defer cancel()
	var held []*pgconn.PgConn
	take := func() bool {
		conn, err := pgconn.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/postgres?sslmode=disable", hog, password, l.pg.Addr()))
		if err == nil {
			held = append(held, conn)
		}
		return err == nil
	}
	for take() {
	}
	l.terminate("all")
	for over := time.Now().Add(outage); time.Now().Before(over); {
		if !take() {
			time.Sleep(5 * time.Millisecond)
		}
	}
	for _, conn := range held {
		_ = conn.Close(context.Background())
	}
}

// hasty has guests who give the server a millisecond for each statement, and for what the proxy asks on their behalf. What they are
// told does not matter; that they hold nothing afterwards, though they stay, does.
func hasty(l *lab) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*outage)
	defer cancel()
	var all sync.WaitGroup
	for range 2 * servers {
		guest, err := pgconn.ConnectConfig(ctx, l.proxy)
		if err != nil {
			l.t.Error(err)
			return
		}
		l.guests = append(l.guests, guest)
		all.Go(func() {
			for over := time.Now().Add(outage); time.Now().Before(over) && !guest.IsClosed(); {
				_, _ = guest.Exec(ctx, "set statement_timeout = 1").ReadAll()
				_, _ = guest.Exec(ctx, "set app.tenant = 'guest'; set lock_timeout = '5s'; select count(*) from fixed").ReadAll()
				_, _ = guest.Exec(ctx, "begin; set local app.tenant = 'nobody'").ReadAll()
				_, _ = guest.Exec(ctx, "rollback").ReadAll()
				_, _ = guest.Exec(ctx, "reset all").ReadAll()
			}
		})
	}
	all.Wait()
}
