package checklist_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

func TestChecklist_W10_TextThatCannotBeReadMayWriteAnything(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w10", `create table t(a int, b text); insert into t values (1, ''); create table "drop"(a int)`)
	const rows = "select count(*), sum(a) from t"
	long := "/* " + strings.Repeat("long ", 20000) + "*/ "
	for _, write := range []string{
		`insert into U&"\0074" values (1)`, `insert into U&"!0074" UESCAPE '!' values (1)`, `update public.U&"t" set a = a + 1`,
		long + "insert into t values (1)",
		"insert into t values (1, '" + strings.Repeat("x", 100000) + "')",
	} {
		f.seen(t, seenWrite{query: rows, write: write, before: "discard all"}) // nobody knows what it left in the session
	}
	f.seen(t,
		seenWrite{query: rows,
			write: "set standard_conforming_strings = off;;insert into t values (1, 'it\\'s');;insert into t values (1, '\\'); select (''');;reset standard_conforming_strings", before: "discard all", simple: true})
	rig.Ask(t, f.writer, "discard all")
	for sql, want := range map[string]string{
		"select nonsense(": "parseerror", "selec 1": "parseerror", "select 'open": "parseerror", `select "open`: "parseerror",
		"select /* open": "parseerror", "select $x$ open": "parseerror", "\x01": "parseerror",
		`select U&"\0061" from t`: "uncacheable", long + "select a from t": "oversizedquery",
	} {
		for form, ask := range rig.Askers {
			for range 2 {
				got, err := ask(t, f.reader, sql)
				want, wantErr := ask(t, f.real, sql)
				if got != want || rig.State(err) != rig.State(wantErr) {
					t.Errorf("%.40q (%s): got %q, %v, want %q, %v", sql, form, got, err, want, wantErr)
				}
			}
			if _, word, _ := askSettled(t, f.reader, form, sql); word != want {
				t.Errorf("%.40q (%s) is %s, want %s", sql, form, word, want)
			}
		}
	}
	rig.WantFresh(t, "texts that cannot be read", rows, f.real, f.writer, f.reader)
}

func TestChecklist_W11_WhatStandsBeforeTheFirstWordDoesNotHideIt(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w11", `create table t(a int); insert into t values (1);
		create function wr() returns int language sql as 'update t set a = a + 1 returning a'`)
	const rows = "select sum(a) from t"
	f.hits(t, "(select a from t)", "((select a from t))", "/* insert */ select a from t", "-- delete\nselect a from t",
		"/* a /* nested */ comment */ select a from t", " \t\n\r\f select a from t", "(select a from t) union all (select 2) order by 1",
		"with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select n from r",
		"with w as (select a from t) select a from w", "(with w as (select a from t) select a from w)", "select a from t;",
		"select a from t ; ; -- end")
	f.seen(t, seenWrite{query: rows, write: "/* select */ insert into t values (1)"},
		seenWrite{query: rows, write: "-- select\ninsert into t values (1)"}, seenWrite{query: rows, write: " \t\n\r\f update t set a = a + 1"},
		seenWrite{query: rows, write: "(select wr())"},
		seenWrite{query: rows, write: "(((select 1 union all select wr())))"},
		seenWrite{query: rows, write: "/* /* select */ */INSERT INTO t VALUES (1)"},
		seenWrite{query: rows, write: "with recursive r(n) as (select 1) insert into t select n from r"},
		seenWrite{query: rows, write: "; insert into t values (1)", simple: true},
		seenWrite{query: rows, write: "select 1 -- ; \n; insert into t values (1)", simple: true},
		seenWrite{query: rows, write: "select '/*'; insert into t values (1); select '*/'", simple: true},
		seenWrite{query: rows, write: "select $$ $x$ $$; insert into t values (1); select '$x$'", simple: true},
		seenWrite{query: rows, write: "select e'\\''; insert into t values (1); -- '", simple: true},
		seenWrite{query: rows, write: `select 1 as "'"; insert into t values (1); select 1 as "'"`, simple: true})
	// To the server these are letters, and so part of a word it does not know.
	for _, sql := range []string{"\ufeffselect a from t", "\u00a0select a from t", "\ufeffinsert into t values (1)"} {
		f.right(t, sql)
	}
}

func TestChecklist_W12_RulesAreFollowed(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w12", `create table t(id int primary key, a int); insert into t values (1, 1); create table log(n serial, what text);
		create table kept(a int); insert into kept values (1);
		create view v as select id, a from t; create rule also as on update to v do also insert into log(what) values ('view');
		create rule ins as on insert to v do instead insert into t values (new.id, new.a);
		create rule also as on update to kept do also insert into log(what) values (new.a::text);
		create rule nothing as on delete to kept do instead nothing;
		create rule sometimes as on insert to kept where new.a > 100 do instead update t set a = a + new.a;
		create view made as select * from kept; create rule made_up as on insert to made do instead (insert into log(what) values ('one');
		update t set a = a + 1)`)
	const rows, log = "select id, a from t order by id", "select count(*) from log"
	f.seen(t, seenWrite{query: log, write: "update v set a = a + 1"}, seenWrite{query: rows, write: "update v set a = a + 1"},
		seenWrite{query: rows, write: "insert into v select max(id) + 1, 1 from t"},
		seenWrite{query: "select id, a from v order by id", write: "update v set a = a + 1", loose: true},
		seenWrite{query: log, write: "update kept set a = a"}, seenWrite{query: rows, write: "insert into kept values (101)"},
		seenWrite{query: "select count(*) from kept", write: "insert into kept values (1)"},
		seenWrite{query: log, write: "insert into made values (1)"}, seenWrite{query: rows, write: "insert into made values (1)"})
	rig.Ask(t, f.writer, "delete from kept")
	f.right(t, "select count(*) from kept", "select a from made order by a", "select count(*) from v")
}

func TestChecklist_W13_EmptyQueriesAreEmpty(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_w13", "create table t(a int)")
	mine, real := f.Dial(t, proxytest.Login{User: "postgres", Database: f.database}), f.pg.Dial(f.database)
	for _, sql := range []string{"", " ", ";", ";;;", "-- nothing", "/* select 1 */", "\n\t;"} {
		for form, messages := range map[string][][]byte{
			"simple": {proxytest.Query(sql)}, "extended": {proxytest.Parse("", sql), proxytest.Bind("", "", nil, nil, nil),
				proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync()},
		} {
			if form == "extended" && strings.Contains(sql, ";;") {
				continue
			}
			for range 3 {
				got, err := mine.Ask(messages...)
				want, wantErr := real.Ask(messages...)
				if err != nil || wantErr != nil || fmt.Sprint(got) != fmt.Sprint(want) || !strings.Contains(fmt.Sprint(got),
					"EmptyQueryResponse") {
					t.Errorf("%q (%s): got %v, %v, want %v, %v", sql, form, got, err, want, wantErr)
				}
			}
			got, err := mine.Ask(proxytest.Query("show overdrive.status"))
			if err != nil || !strings.Contains(fmt.Sprint(got), "notaquery") {
				t.Errorf("%q (%s): the status is %v, %v", sql, form, got, err)
			}
		}
	}
}
