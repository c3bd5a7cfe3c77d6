package proxy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A kind is one way of writing. In its statements $1 is the number of a row and $2 the version it gets; if it writes two
// rows, $3 and $4 are those of the other.
type kind struct {
	name    string
	family  string
	rows    int      // how many of the family it writes, 0 counts as 1
	sqls    []string // more than one need a transaction
	absent  bool     // it takes the row away
	late    bool     // it has no effect once a newer version is there, so that nobody need know what became of it
	text    bool     // it can have no parameters
	several bool     // several statements in one
	weight  int      // how often it is chosen, 0: by the administrator
}

var consistencyKinds = []kind{
	{name: "update", family: "item", late: true, weight: 20, sqls: []string{"update item set version = $2::bigint where id = $1::int and version < $2::bigint"}},
	{name: "writable CTE", family: "item", late: true, weight: 6, sqls: []string{
		"with w as (update item set version = $2::bigint where id = $1::int and version < $2::bigint returning id) select id from w"}},
	{name: "upsert", family: "item", late: true, weight: 6, sqls: []string{`insert into item values ($1::int, $2::bigint)
		on conflict (id) do update set version = excluded.version where item.version < excluded.version`}},
	{name: "merge", family: "item", late: true, weight: 6, sqls: []string{`merge into item using (values ($1::int, $2::bigint)) as n(id, version)
		on item.id = n.id when matched and item.version < n.version then update set version = n.version`}},
	{name: "delete and insert", family: "item", weight: 4, sqls: []string{
		"delete from item where id = $1::int", "insert into item values ($1::int, $2::bigint)"}},
	{name: "explain analyze", family: "item", text: true, weight: 2, sqls: []string{"explain analyze update item set version = $2 where id = $1 and version < $2"}},
	{name: "one of several", family: "item", text: true, several: true, weight: 4, sqls: []string{
		"select 1; update item set version = $2 where id = $1 and version < $2; select 2"}},
	{name: "function", family: "item", late: true, weight: 1, sqls: []string{"select write_item($1::int, $2::bigint)"}},
	{name: "call", family: "item", text: true, weight: 1, sqls: []string{"call set_item($1, $2)"}},
	{name: "do", family: "item", text: true, weight: 1, sqls: []string{
		"do $x$ begin update item set version = $2 where id = $1 and version < $2; end $x$"}},
	{name: "transfer", family: "account", rows: 2, weight: 10, sqls: []string{
		"update account set balance = balance - 7, version = $2::bigint where id = $1::int",
		"update account set balance = balance + 7, version = $4::bigint where id = $3::int"}},
	{name: "transfer at once", family: "account", rows: 2, weight: 6, sqls: []string{`update account set
		balance = balance + case id when $1::int then 5 else -5 end, version = case id when $1::int then $2::bigint else $4::bigint end
		where id in ($1::int, $3::int)`}},
	{name: "trigger", family: "watched", late: true, weight: 2, sqls: []string{"update watched set version = $2::bigint where id = $1::int and version < $2::bigint"}},
	{name: "cascading update", family: "family", late: true, weight: 6, sqls: []string{"update parent set version = $2::bigint where id = $1::int and version < $2::bigint"}},
	{name: "cascading delete", family: "family", weight: 3, sqls: []string{"delete from parent where id = $1::int",
		"insert into parent values ($1::int, $2::bigint)", "insert into child values ($1::int, $2::bigint)"}},
	{name: "move between partitions", family: "part", late: true, weight: 5, sqls: []string{
		"update part set half = 1 - half, version = $2::bigint where id = $1::int and version < $2::bigint"}},
	{name: "update of the partitioned table", family: "part", late: true, weight: 5, sqls: []string{
		"update part set version = $2::bigint where id = $1::int and version < $2::bigint"}},
	{name: "insert into a partition", family: "part", weight: 4, sqls: []string{
		"delete from part where id = $1::int", "insert into part_left values ($1::int, 0, $2::bigint)"}},
	{name: "put into a box", family: "shelf", weight: 4, sqls: []string{"insert into box values ($1::int) on conflict do nothing",
		"insert into content values ($1::int, $2::bigint) on conflict (id) do update set version = excluded.version"}},
	{name: "drop a box", family: "shelf", absent: true, weight: 4, sqls: []string{"delete from box where id = $1::int"}},
	{name: "truncate and copy", family: "heap", weight: 3, sqls: []string{"truncate heap", "copy heap from stdin"}},
	{name: "delete and refill", family: "heap", weight: 2, sqls: []string{
		"delete from heap", fmt.Sprintf("insert into heap select $2::bigint from generate_series(1, %d)", heapRows)}},
	{name: "copy", family: "journal", weight: 5, sqls: []string{"copy journal from stdin"}},
	{name: "prune", family: "journal", weight: 1, sqls: []string{
		"with d as (delete from journal where version < $2::bigint - 20) insert into journal values ($2::bigint)"}},
	{name: "replace a view", family: "face", text: true, sqls: []string{"create or replace view faced as select id, version as item, $2::bigint as face from item"}},
	{name: "add a column", family: "shape", text: true, sqls: []string{"alter table shaped add column v$2 int"}},
	{name: "drop and create", family: "shape", text: true, sqls: []string{"drop table shaped", "create table shaped as select 0 as v$2"}},
	{name: "grant", family: "grant", text: true, sqls: []string{"grant select on item to " + clerk}},
	{name: "revoke", family: "grant", text: true, absent: true, sqls: []string{"revoke select on item from " + clerk}},
}

// plain says that it can be sent as any one statement.
func (k *kind) plain() bool {
	return len(k.sqls) == 1 && !k.several && !strings.HasPrefix(k.sqls[0], "copy")
}

// joinable says that it can be one of several statements in a message.
func (k *kind) joinable() bool {
	return !slices.ContainsFunc(k.sqls, func(sql string) bool { return strings.HasPrefix(sql, "copy") })
}

// A job is a kind with the registers that it writes.
type job struct {
	*kind
	ids       []int
	registers []*register
}

// jobs makes up to n jobs of the kinds that are fit.
func (r *roamer) jobs(n int, fit func(*kind) bool) []job {
	var all []job
	for range 1 + r.IntN(n) {
		k := r.kinds[r.IntN(len(r.kinds))]
		if fit != nil && !fit(k) {
			continue
		}
		j := job{kind: k}
		for _, id := range r.Perm(len(r.families[k.family]))[:max(1, k.rows)] {
			j.ids = append(j.ids, id)
			j.registers = append(j.registers, r.families[k.family][id])
		}
		all = append(all, j)
	}
	return all
}

// take takes the turns of all registers that the jobs write, in an order that lets nobody wait for ever, and returns what
// gives them back.
func take(jobs []job) (giveBack func()) {
	var all []*register
	for _, j := range jobs {
		all = append(all, j.registers...)
	}
	slices.SortFunc(all, func(x, y *register) int { return x.index - y.index })
	all = slices.Compact(all)
	for _, reg := range all {
		reg.turn.Lock()
	}
	return func() {
		for _, reg := range all {
			reg.turn.Unlock()
		}
	}
}

// A statement is ready to be sent.
type statement struct {
	sql    string
	params []string // as many as it has
	data   string   // of a COPY
}

// issue gives a job its versions.
func (r *roamer) issue(g *group, j job, shape string) []statement {
	var params []string
	var version int64
	for i, reg := range j.registers {
		version = r.history.issue(g, reg, j.name+", "+shape, !j.absent)
		params = append(params, fmt.Sprint(j.ids[i]), fmt.Sprint(version))
	}
	var all []statement
	for _, sql := range j.sqls {
		s := statement{}
		s.sql, s.params = renumber(sql, params)
		switch {
		case strings.HasPrefix(sql, "copy heap"):
			s.data = strings.Repeat(fmt.Sprintln(version), heapRows)
		case strings.HasPrefix(sql, "copy journal"):
			s.data = fmt.Sprintln(version)
		case j.text:
			s.sql, s.params = inline(sql, params), nil
		}
		all = append(all, s)
	}
	return all
}

// renumber leaves a statement the parameters that it has, numbered from 1.
func renumber(sql string, params []string) (string, []string) {
	var used []string
	for i, p := range params {
		if old := fmt.Sprint("$", i+1); strings.Contains(sql, old) {
			used = append(used, p)
			sql = strings.ReplaceAll(sql, old, fmt.Sprint("$", len(used)))
		}
	}
	return sql, used
}

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
	if state(err) != "22012" {
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
	closeConn(r.conn)
	r.giveUp(g, r.connect())
}
