//go:build linux

package faults

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A state is what is held while the load rests.
type state struct {
	use
	pool     pool
	backends int // of the proxy's, as the server counts them
}

// pool is the pool as SHOW POOLS tells it.
type pool struct{ leased, idle, waiting, dialing, resetting int }

func (p pool) busy() int { return p.leased + p.waiting + p.dialing + p.resetting }

func (p pool) String() string {
	s := fmt.Sprintf("%d/%d/%d", p.leased, p.idle, p.waiting)
	if p.dialing+p.resetting > 0 {
		s += fmt.Sprintf("+%d+%d", p.dialing, p.resetting)
	}
	return s
}

// rest has the load rest, which the caller must wake, and looks at what is held when everybody has what he
// asked for.
func (r *trial) rest(when string) (s state) {
	r.t.Helper()
	r.load.sleep()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		s.pool = r.pool()
		if s.pool.busy() == 0 {
			break
		}
		if time.Since(began) > patient(limits.rest) {
			r.t.Errorf("%s, at rest: leased/idle/waiting+dialing+resetting is %v", when, s.pool)
			break
		}
	}
	for _, c := range r.console("show clients") {
		if c["pinned"] != "" {
			r.t.Errorf("%s: a session is pinned: %v", when, c)
		}
	}
	if r.cache {
		r.awaitHit(when)
	}
	var err error
	if s.use, err = r.program.measure(); err != nil {
		r.t.Error(err)
	}
	s.backends = len(r.lab.backends("all"))
	return s
}

func (r *trial) pool() (p pool) {
	r.t.Helper()
	for _, row := range r.console("show pools") {
		if row["database"] != database {
			continue
		}
		for column, n := range map[string]*int{"sv_active": &p.leased, "sv_idle": &p.idle, "cl_waiting": &p.waiting,
			"sv_login": &p.dialing, "sv_tested": &p.resetting} {
			*n, _ = strconv.Atoi(row[column])
		}
	}
	return p
}

// awaitHit waits until the cache answers.
func (r *trial) awaitHit(when string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient(limits.cache)+patient(limits.answer))
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, r.config(role, database))
	if err != nil {
		r.t.Errorf("%s: %v", when, err)
		return
	}
	defer conn.Close(ctx)
	word := "none"
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, _ = conn.Exec(ctx, "select word from fixed where id = 1").ReadAll()
		if all, err := conn.Exec(ctx, "show overdrive.status").ReadAll(); err == nil {
			word = string(all[0].Rows[0][0])
		}
		if r.cached = time.Since(r.over); word == "hit" {
			return
		}
		if took := time.Since(began); took > patient(limits.cache) {
			problem := fmt.Sprintf("%s: after %v the status of a statement that nobody's writes concern is %q", when, took, word)
			if r.t.Log(problem); limits.mustHit {
				r.t.Fail()
			}
			r.cached = never
			return
		}
	}
}

// compare wants what is held after the fault to be what was held before it.
func (r *trial) compare() {
	b, a := r.before, r.after
	if guests := len(r.lab.guests); a.descriptors > b.descriptors+guests+limits.descriptors {
		r.t.Errorf("descriptors: %d before, %d after, with %d guests more", b.descriptors, a.descriptors, guests)
	}
	if a.goroutines > b.goroutines+limits.goroutines {
		stacks, _ := r.program.ask("stacks")
		r.t.Errorf("goroutines: %d before, %d after:\n%s", b.goroutines, a.goroutines, stacks)
	}
	if a.memory > b.memory+limits.memory {
		r.t.Errorf("resident memory: %d KiB before, %d KiB after", b.memory>>10, a.memory>>10)
	}
	if open := a.pool.leased + a.pool.idle; open > servers || a.backends > open+1 {
		r.t.Errorf("%d server connections and one for the catalog are known, and the server counts %d", open, a.backends)
	}
}

// never is the time of what did not come in time.
const never = time.Duration(-1)

// header is above the lines of the table.
var header = fmt.Sprintf("%-35s %-5s %8s %9s %7s  %-13s %-11s %-11s %-15s  %s", "fault", "cache", "requests", "recovered", "hits in",
	"leases", "descriptors", "goroutines", "memory, MiB", "errors while it lasted")

func (r *trial) String() string {
	on, hits := "off", "-"
	if r.cache {
		if on, hits = "on", round(r.cached); r.cached == never {
			hits = "never"
		}
	}
	pair := func(before, after any) string { return fmt.Sprint(before) + " " + fmt.Sprint(after) }
	return strings.TrimRight(fmt.Sprintf("%-35s %-5s %8d %9s %7s  %-13s %-11s %-11s %-15s  %s", r.fault.name, on, r.during.requests,
		round(r.recovered), hits, pair(r.before.pool, r.after.pool), pair(r.before.descriptors, r.after.descriptors),
		pair(r.before.goroutines, r.after.goroutines),
		fmt.Sprintf("%.1f %.1f", float64(r.before.memory)/(1<<20), float64(r.after.memory)/(1<<20)), r.during), " ")
}

func round(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }
