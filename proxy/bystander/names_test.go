package bystander_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// Transactions that set a search_path or a role for themselves write what their names mean then: the tables that they reach are seen, and others of
// the same name cost nobody anything.

const namesDatabase = "own_names"

const namesTables = `create role names_web;
	create table unrelated(a int); insert into unrelated values (1);
	create schema app; create schema other; create schema names_web; grant usage on schema app, names_web to names_web;
	create table u(a int); create table app.u(a int); create table other.u(a int); create table names_web.u(a int);
	create table app.t(a int); create table other.t(a int); create table app.log(a int); create table other.log(a int);
	create function app.put() returns trigger language plpgsql as 'begin insert into app.log values (new.a); return new; end';
	create trigger put after insert on app.t for each row execute function app.put();
	create function other.put() returns trigger language plpgsql as 'begin insert into log values (new.a); return new; end';
	create trigger put after insert on other.t for each row execute function other.put();
	create table app.secret(a int, who text default current_user); alter table app.secret enable row level security;
	create policy mine on app.secret using (who = current_user) with check (a < 100);
	grant all on all tables in schema app, other, names_web, public to names_web`

// namesReads are what may change.
var namesReads = []string{
	"select count(*) from public.u", "select count(*) from app.u", "select count(*) from other.u", "select count(*) from names_web.u",
	"select count(*) from app.log", "select count(*) from other.log", "select count(*) from app.secret",
}

// startNames returns a bench that has read all that a transaction may change.
func startNames(t *testing.T, name string) *bench {
	proxytest.ChangesCluster(t) // for its role
	pg := rig.NewDatabase(t, name, namesTables)
	b := &bench{real: rig.Direct(t, pg, name), database: name, answer: answer}
	b.Instance = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 4, Caching: true})
	b.bystander = b.Connect(t, name)
	return b
}

// keep has all of namesReads kept.
func (b *bench) keep(t *testing.T) {
	t.Helper()
	for _, read := range append([]string{answer}, namesReads...) {
		rig.Await(t, read+" to be kept", func() bool { rig.Ask(t, b.bystander, read); return rig.Status(t, b.bystander) == hit })
	}
}

// knows waits until the catalog has been read by some names: until then a transaction that sets them may write everything.
func (b *bench) knows(t *testing.T, sets string) {
	t.Helper()
	sender := b.Connect(t, b.database)
	defer rig.CloseConn(sender)
	rig.Await(t, "the catalog by "+sets, func() bool {
		b.keep(t)
		say(t, sender, "begin ;; "+sets+" ;; select lower('x') ;; commit")
		rig.Ask(t, b.bystander, answer)
		return rig.Status(t, b.bystander) == hit
	})
}

// changed asks for all of namesReads, and tells which of them were not in the cache any more.
func (b *bench) changed(t *testing.T, behind string) string {
	t.Helper()
	var gone []string
	rig.Ask(t, b.bystander, answer)
	if rig.Status(t, b.bystander) != hit {
		gone = append(gone, "everything")
	}
	for _, read := range namesReads {
		got := rig.Ask(t, b.bystander, read)
		status := rig.Status(t, b.bystander)
		if status != hit && len(gone) == 0 || status != hit && gone[0] != "everything" {
			gone = append(gone, strings.TrimPrefix(read, "select count(*) from "))
		}
		if want := rig.Ask(t, b.real, read); got != want {
			t.Errorf("STALE behind %s: %s is %q (%s), want %q", behind, read, got, status, want)
		}
	}
	return strings.Join(gone, " ")
}

func TestOwnNames_WriteWhatTheyMean(t *testing.T) {
	b := startNames(t, namesDatabase)
	for _, tt := range []struct{ sets, write, gone string }{
		{"set local search_path = app", "insert into u values (1)", "app.u"},
		{"set local search_path = other", "x: insert into u values ($1) <- 1", "other.u"},
		{"x: select set_config('search_path', $1, true) <- \"other\", \"app\"", "insert into u values (1)", "other.u"},
		{"x: select set_config($1, $2, true) <- search_path | app", "x: insert into u values ($1) <- 1", "app.u"},
		{"set local search_path = app", "insert into t values (1)", "app.log"},
		{"set local search_path = other", "insert into t values (1)", "app.log other.log"},
		{"set local search_path = app ;; set local search_path to default", "insert into u values (1)", "public.u"},
		{"set local role names_web", "insert into u values (1)", "names_web.u"},
		{"set local search_path = other, app ;; set local role names_web", "insert into u values (1)", "app.u"},
		{"x: select set_config('search_path', $1, true), set_config('role', $2, true) <- app | names_web", "insert into secret values (1)", "app.secret"},
		{"set local search_path = app ;; set local role names_web", "insert into secret values (1000)", ""},
		{"set local search_path = app", "select * from u", ""},
		{"set local role names_web ;; savepoint s ;; set local search_path = other, public ;; release s", "insert into u values (1)", "public.u"},
		{"set local search_path = app ;; set local role names_web ;; set local role none ;; set local search_path = other", "insert into u values (1)", "other.u"},
	} {
		sender := b.Connect(t, namesDatabase)
		b.knows(t, tt.sets)
		sql := "begin ;; " + tt.sets + " ;; " + tt.write + " ;; commit"
		b.keep(t)
		say(t, sender, sql)
		if gone := b.changed(t, sql); gone != tt.gone {
			t.Errorf("behind %s %q was gone, want %q", sql, gone, tt.gone)
		}
		rig.CloseConn(sender)
	}
}

// Where the names are not what was set last, what is written is seen all the same, whether the client waits for each answer or for none.
func TestOwnNames_ThatAreOthersAgainAreSeen(t *testing.T) {
	b := startNames(t, "doubtful_names")
	b.knows(t, "set local search_path = app")
	b.knows(t, "set local search_path = other")
	for _, sql := range []string{
		"begin ;; savepoint s ;; set local search_path = app ;; rollback to s ;; insert into u values (1) ;; commit",
		"begin ;; set local search_path = app ;; savepoint s ;; set local search_path = other ;; rollback to s ;; insert into u values (1) ;; commit",
		"begin ;; set local search_path = app ;; savepoint s ;; set local role nosuch ;; rollback to s ;; insert into u values (1) ;; commit",
		"begin ;; set local search_path = app ;; commit and chain ;; insert into u values (1) ;; commit",
		"begin ;; set local search_path = app ;; commit ;; insert into u values (1)",
		"begin ;; set local search_path = app ;; commit; insert into u values (1)",
		"begin ;; set local search_path = app ;; reset search_path; insert into u values (1) ;; commit",
		"begin ;; set local search_path = app ;; set search_path = other ;; insert into u values (1) ;; commit",
		"set local search_path = app ;; insert into u values (1)",
		"begin isolation level nosuch ;; set local search_path = app ;; insert into u values (1)",
	} {
		for _, ahead := range []bool{false, true} {
			b.keep(t)
			w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.database})
			var packet []byte
			for step := range strings.SplitSeq(sql, " ;; ") {
				if packet = append(packet, proxytest.Query(step)...); !ahead {
					rig.Converse(t, w, packet)
					packet = nil
				}
			}
			rig.Converse(t, w, packet)
			if gone := b.changed(t, sql); gone == "" {
				t.Errorf("behind %s nothing has changed, so this proves nothing", sql)
			}
			_ = w.Close()
		}
	}
}

// A sayer makes random transactions.
type sayer struct{ *rand.Rand }

func (r sayer) pick(choices ...string) string { return choices[r.IntN(len(choices))] }

func (r sayer) statement() string {
	switch r.IntN(12) {
	case 0:
		return "set local search_path = " + r.pick("app", "other", "nosuch")
	case 1:
		return "select set_config('search_path', '" + r.pick("app", "other", "nosuch") + "', true)"
	case 2:
		return r.pick("set local role names_web", "set local role none", "set local role nosuch")
	case 3:
		return r.pick("set local search_path to default", "reset role", "set search_path = app", "reset search_path", "savepoint s", "release s")
	case 4:
		return r.pick("savepoint s", "rollback to s", "select 1/0", "savepoint s", "rollback to s")
	case 5:
		return r.pick("begin", "commit", "rollback", "commit and chain", "commit; insert into u values (1)", "set local search_path = app; set local role names_web")
	case 6, 7:
		return "select count(*) from u"
	}
	return r.pick("insert into u values (1)", "insert into u values (1)", "insert into t values (1)", "insert into u select 1; insert into u values (2)")
}

// messages are those of a statement: a simple Query, or a unit of the extended protocol with a Sync or without.
func (r sayer) messages(sql string) []byte {
	unit := rig.QueryUnit(sql)
	if before, rest, ok := strings.Cut(sql, "set_config('search_path', '"); ok && r.IntN(2) == 0 {
		path, _, _ := strings.Cut(rest, "'")
		unit = rig.QueryUnit(before+"set_config('search_path', $1, true)", []byte(path))
	}
	switch r.IntN(3) {
	case 0:
		return unit
	case 1:
		return append(unit, proxytest.Sync()...)
	}
	return append(proxytest.Sync(), proxytest.Query(sql)...) // in an open batch that fails it would be skipped
}

// transaction has a client say one, in as many packets as it likes, and tells what that was.
func (r sayer) transaction(t *testing.T, w *proxytest.Wire) string {
	t.Helper()
	var said []string
	var ahead []byte
	for n := 3 + r.IntN(7); n > 0; n-- {
		sql := r.statement()
		if len(said) == 0 && r.IntN(8) > 0 {
			sql = "begin"
		}
		said, ahead = append(said, sql), append(ahead, r.messages(sql)...)
		if r.IntN(3) > 0 {
			rig.Converse(t, w, append(ahead, proxytest.Sync()...))
			said, ahead = append(said, "."), nil
		}
	}
	rig.Converse(t, w, append(ahead, proxytest.Sync()...))
	rig.Converse(t, w, proxytest.Query("commit"))
	return strings.Join(said, " ;; ")
}

// Whatever clients say, a message at a time or many ahead, what they have written is seen.
func TestOwnNames_RandomTransactionsAreSeen(t *testing.T) {
	b := startNames(t, "random_names")
	for _, path := range []string{"app", "other", "nosuch", "default"} {
		for _, role := range []string{"", " ;; set local role names_web", " ;; set local role none"} {
			b.knows(t, "set local search_path to "+path+role)
		}
	}
	r := sayer{rand.New(rand.NewPCG(namesSeed, 7))}
	runs, told := 150, 0
	if testing.Short() {
		runs = 20
	}
	for range runs {
		w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.database})
		b.keep(t)
		said := r.transaction(t, w)
		if gone := b.changed(t, said); gone != "" && gone != "everything" {
			told++
		}
		_ = w.Close()
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d transactions have written some tables, and not everything", told, runs)
	if told < runs/10 {
		t.Error("almost all count as writing everything, or have written nothing, so this proves nothing")
	}
}

const namesSeed = 7
