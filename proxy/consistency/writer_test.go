package consistency_test

import (
	"context"
	"strings"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// A shape is one way for a transaction to go.
type shape struct {
	name   string
	weight int
	jobs   int // at most
	fit    func(*kind) bool
	run    func(r *roamer, name string, jobs []job)
	block  bool // it needs a transaction block
}

func always(*kind) bool { return true }

var consistencyShapes = []shape{
	{name: "autocommit", weight: 20, jobs: 1, fit: func(k *kind) bool { return len(k.sqls) == 1 }, run: (*roamer).autocommit},
	{name: "unread", weight: 2, jobs: 1, fit: func(k *kind) bool { return k.late }, run: (*roamer).unread},
	{name: "one message", weight: 5, jobs: 3, fit: (*kind).joinable, run: (*roamer).oneMessage},
	{name: "cancelled", weight: 2, jobs: 2, fit: (*kind).joinable, run: (*roamer).cancelled},
	{name: "commit", weight: 16, jobs: 3, fit: always, run: (*roamer).commits, block: true},
	{name: "rollback", weight: 6, jobs: 3, fit: always, run: (*roamer).rollsBack, block: true},
	{name: "failed", weight: 4, jobs: 2, fit: always, run: (*roamer).fails, block: true},
	{name: "savepoint", weight: 8, jobs: 3, fit: always, run: (*roamer).savepoint, block: true},
	{name: "leaves", weight: 3, jobs: 2, fit: always, run: (*roamer).leaves, block: true},
}

// write runs one transaction of some shape.
func (r *roamer) write() {
	s := &consistencyShapes[r.weighted(len(consistencyShapes), func(i int) int { return consistencyShapes[i].weight })]
	if s.block && r.noBlocks {
		s = &consistencyShapes[0]
	}
	jobs := r.jobs(s.jobs, s.fit)
	if len(jobs) == 0 {
		return
	}
	defer take(jobs)()
	r.tally.transactions.Add(1)
	r.tally.writes.Add(int64(len(jobs)))
	s.run(r, s.name, jobs)
}

func (r *roamer) autocommit(name string, jobs []job) {
	g := &group{who: r.name}
	s := r.issue(g, jobs[0], name)[0]
	r.set(g, 0, ending)
	_, err := r.run(r.ctx, s, r.writeForm(jobs[0].kind))
	r.finish(g, err)
}

// unread sends a write and goes away before it can have read the answer, mostly.
func (r *roamer) unread(name string, jobs []job) {
	g := &group{who: r.name}
	s := r.issue(g, jobs[0], name)[0]
	r.set(g, 0, ending)
	ctx, cancel := context.WithTimeout(r.ctx, time.Duration(r.IntN(2000))*time.Microsecond)
	defer cancel()
	_, err := r.run(ctx, s, r.writeForm(jobs[0].kind))
	r.finish(g, err)
}

// oneMessage is an implicit transaction, or a transaction block, in one message.
func (r *roamer) oneMessage(name string, jobs []job) {
	g := &group{who: r.name}
	sql := r.joined(g, name, jobs)
	if r.IntN(2) == 0 && !r.noBlocks {
		sql = "begin; " + sql + "; commit"
	}
	r.set(g, 0, ending)
	_, err := r.run(r.ctx, statement{sql: sql}, formSimple)
	r.finish(g, err)
}

// cancelled is an implicit transaction that never ends by itself.
func (r *roamer) cancelled(name string, jobs []job) {
	g := &group{who: r.name}
	sql := r.joined(g, name, jobs) + "; select count(*) from generate_series(1, 1000000000)"
	r.set(g, 0, ending)
	over, done := make(chan struct{}), make(chan struct{})
	go r.cancelUntil(r.conn, time.Duration(1+r.IntN(8))*time.Millisecond, over, done)
	_, err := r.run(r.ctx, statement{sql: sql}, formSimple)
	close(over)
	<-done
	if err == nil {
		r.complain("a statement that was cancelled came to its end")
	}
	r.finish(g, err)
}

// cancelUntil cancels what conn is doing, again and again since a request that comes too early is lost, and closes done once
// no further one can be under way.
func (r *roamer) cancelUntil(conn *pgconn.PgConn, every time.Duration, over, done chan struct{}) {
	defer close(done)
	for {
		select {
		case <-over:
			return
		case <-time.After(every):
			_ = conn.CancelRequest(r.ctx) // should it fail, the next one will do
		}
		every = 20 * time.Millisecond
	}
}

func (r *roamer) joined(g *group, shape string, jobs []job) string {
	var sqls []string
	for _, j := range jobs {
		for _, s := range r.issue(g, j, shape) {
			sqls = append(sqls, inline(s.sql, s.params))
		}
	}
	return strings.Join(sqls, "; ")
}

// finish notes how a transaction ended whose end had been asked for.
func (r *roamer) finish(g *group, err error) {
	switch {
	case err == nil:
		r.set(g, 0, committed)
		return
	case r.lost(err):
		r.tally.unknown.Add(1)
		r.set(g, 0, unknown)
	default:
		r.tally.rollbacks.Add(1)
		r.set(g, 0, rolledBack)
	}
	r.recover(err)
}

// giveUp notes that a transaction, whose end had not been asked for, has ended by an error.
func (r *roamer) giveUp(g *group, err error) {
	r.tally.rollbacks.Add(1)
	r.set(g, 0, rolledBack)
	r.recover(err)
}

// block opens a transaction and does the jobs, with reads in between. It reports whether all went well.
func (r *roamer) block(g *group, name string, jobs []job) bool {
	if _, err := r.run(r.ctx, statement{sql: "begin"}, r.form(2)); err != nil {
		r.giveUp(g, err)
		return false
	}
	return r.work(g, name, jobs)
}

// work does the jobs within a transaction, with reads in between.
func (r *roamer) work(g *group, name string, jobs []job) bool {
	for _, j := range jobs {
		for _, s := range r.issue(g, j, name) {
			if _, err := r.run(r.ctx, s, r.writeForm(j.kind)); err != nil {
				r.giveUp(g, err)
				return false
			}
		}
		if r.IntN(2) == 0 && !r.readIn(&block{group: g}, j) {
			return false
		}
	}
	return true
}

func (r *roamer) commits(name string, jobs []job) {
	if g := (&group{who: r.name}); r.block(g, name, jobs) {
		r.commit(g)
	}
}

func (r *roamer) commit(g *group) {
	r.set(g, 0, ending)
	_, err := r.run(r.ctx, statement{sql: "commit"}, r.form(2))
	r.finish(g, err)
}

func (r *roamer) rollsBack(name string, jobs []job) {
	g := &group{who: r.name}
	if !r.block(g, name, jobs) {
		return
	}
	_, err := r.run(r.ctx, statement{sql: "rollback"}, r.form(2))
	r.giveUp(g, err)
}

// fails commits a transaction that has failed, which rolls it back.
func (r *roamer) fails(name string, jobs []job) {
	g := &group{who: r.name}
	if !r.block(g, name, jobs) {
		return
	}
	_, err := r.run(r.ctx, statement{sql: "select 1/0"}, r.form(2))
	if rig.State(err) != "22012" {
		r.giveUp(g, err)
		return
	}
	_, err = r.run(r.ctx, statement{sql: "commit"}, r.form(2))
	r.giveUp(g, err)
}

// savepoint takes a part of a transaction back.
func (r *roamer) savepoint(name string, jobs []job) {
	g := &group{who: r.name}
	half := r.IntN(len(jobs) + 1)
	if !r.block(g, name, jobs[:half]) {
		return
	}
	n := len(g.attempts)
	if _, err := r.run(r.ctx, statement{sql: "savepoint s"}, r.form(2)); err != nil {
		r.giveUp(g, err)
		return
	}
	if !r.work(g, name+", taken back", jobs[half:]) {
		return
	}
	if _, err := r.run(r.ctx, statement{sql: "rollback to savepoint s"}, r.form(2)); err != nil {
		r.giveUp(g, err)
		return
	}
	r.tally.rollbacks.Add(1)
	r.set(g, n, rolledBack)
	if r.IntN(2) == 0 && !r.readIn(&block{group: g}, jobs[0]) {
		return
	}
	if r.IntN(2) == 0 && !r.work(g, name+", again", jobs[:1]) {
		return
	}
	r.commit(g)
}

// leaves goes away in the middle of a transaction.
func (r *roamer) leaves(name string, jobs []job) {
	g := &group{who: r.name}
	if !r.block(g, name, jobs) {
		return
	}
	if r.IntN(2) == 0 {
		r.conn.Conn().Close()
	}
	rig.CloseConn(r.conn)
	r.giveUp(g, r.connect())
}
