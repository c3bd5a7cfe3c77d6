package consistency_test

import (
	"fmt"
	"slices"
	"strings"
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
	{name: "heir", family: "heir", text: true, weight: 5, sqls: []string{"update heir set version = $2"}},
	{name: "inherit", family: "link", text: true, sqls: []string{"alter table heir inherit base"}},
	{name: "disinherit", family: "link", text: true, absent: true, sqls: []string{"alter table heir no inherit base"}},
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
