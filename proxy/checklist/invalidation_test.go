package checklist_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

func TestChecklist_I1_WritesThroughTheProxyAreSeenInBothProtocols(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i1", "create table t(id serial primary key, a int); insert into t(a) values (1), (2)")
	const rows, filled = "select id, a from t order by id", "truncate t;;insert into t(a) values (1), (2)"
	f.seen(t,
		seenWrite{query: rows, write: "insert into t(a) values (3)"}, seenWrite{query: rows, write: "update t set a = a + 1"},
		seenWrite{query: rows, write: "delete from t", before: filled},
		seenWrite{query: rows, write: "truncate t", before: filled}, seenWrite{query: rows, write: "insert into t(a) values (3) returning id"},
		seenWrite{query: rows, write: "merge into t using (values (5)) x(a) on false when not matched then insert (a) values (x.a)"},
		seenWrite{query: rows,
			write:  "merge into t using (values (5)) x(b) on true when matched and a > 0 then update set a = a + b when matched then delete",
			before: filled},
		seenWrite{query: rows, write: "begin;;insert into t(a) values (4);;commit"},
		seenWrite{query: rows, write: "begin;;insert into t(a) values (4);;update t set a = a + 1;;end"},
		seenWrite{query: rows,
			write: `start transaction isolation level serializable;;insert into t(a) values (4);;commit and chain;;insert into t(a) values (5);;
				commit`},
		seenWrite{query: rows, write: "select 1; insert into t(a) values (6); select 2", simple: true},
		seenWrite{query: rows, write: "begin; insert into t(a) values (6); commit", simple: true},
		seenWrite{query: rows, write: "prepare p as insert into t(a) values (7);;execute p;;deallocate p;;discard all", simple: true},
		seenWrite{query: rows, write: "copy t(a) from program 'echo 5'"})
	// One parse, many binds.
	if _, err := f.writer.Prepare(t.Context(), "ins", "insert into t(a) values ($1::int)", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		rig.Prime(t, f.reader, rows)
		rig.Prime(t, f.writer, rows)
		if r := f.writer.ExecPrepared(t.Context(), "ins", [][]byte{fmt.Append(nil, i)}, nil,
			nil).Read(); r.Err != nil || r.CommandTag.RowsAffected() != 1 {
			t.Fatal(r.CommandTag, r.Err)
		}
		rig.WantFresh(t, "binding once more", rows, f.real, f.writer, f.reader)
	}
	copying := f.Dial(t, proxytest.Login{User: "postgres", Database: f.database})
	for _, start := range [][]byte{
		proxytest.Query("copy t(a) from stdin"),
		append(append(append(proxytest.Parse("", "copy t(a) from stdin"), proxytest.Bind("", "", nil, nil, nil)...), proxytest.Execute("", 0)...),
			proxytest.Flush()...),
	} {
		before := rig.Ask(t, f.real, "select count(*) from t")
		rig.Prime(t, f.reader, rows)
		rig.Prime(t, f.writer, rows)
		copyRows(t, copying, start, func() { rig.WantFresh(t, "half a copy", rows, f.real, f.writer, f.reader) })
		rig.WantFresh(t, "COPY", rows, f.real, f.writer, f.reader)
		if got := rig.Ask(t, f.reader, "select count(*) from t"); got == before {
			t.Errorf("after COPY there are %s rows still", got)
		}
	}
}

func TestChecklist_I2_WritesAroundTheProxyAreSeenAfterMaxAge(t *testing.T) {
	t.Parallel()
	const age = time.Second
	f := startWriter(t, "checklist_i2", "create table t(a int); insert into t values (1); create view v as select sum(a) as s from t", withMaxAge(age))
	for _, write := range []string{
		"insert into t values (1)", "update t set a = a + 1", "delete from t where a = 2", "copy t from program 'echo 5'",
		"merge into t using (values (5)) x(a) on false when not matched then insert values (x.a)", "truncate t",
	} {
		for _, sql := range []string{"select sum(a), count(*) from t", "select s from v"} {
			for _, ask := range rig.Askers {
				for range 2 {
					if _, err := ask(t, f.reader, sql); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		rig.Ask(t, f.real, write)
		done := time.Now()
		f.within(t, write, "select sum(a), count(*) from t", done, age)
		f.within(t, write, "select s from v", done, age)
	}
}

func TestChecklist_I3_WritesOfTriggersAreSeen(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i3", `create table log(n serial, what text);
		create function logs() returns trigger language plpgsql as 'begin insert into log(what) values (tg_name); return coalesce(new, old); end';
		create table after_row(a int);
		create trigger after_row after insert or update or delete on after_row for each row execute function logs();
		create table before_row(a int); create trigger before_row before insert on before_row for each row execute function logs();
		create table per_statement(a int);
		create trigger per_statement after insert or truncate on per_statement for each statement execute function logs();
		create table late(a int);
		create constraint trigger late after insert on late deferrable initially deferred for each row execute function logs();
		create table part(a int) partition by list (a); create table part1 partition of part for values in (1);
		create trigger leaf after insert on part1 for each row execute function logs();
		create table parent(id int primary key); create table child(id int references parent on delete cascade on update set null);
		create trigger cascaded after update or delete on child for each row execute function logs();
		create table base(a int); create table heir() inherits (base);
		create trigger heir after update on heir for each row execute function logs(); insert into heir values (1);
		create table when_big(a int); create trigger when_big after insert on when_big for each row when (new.a > 5) execute function logs();
		create function passes() returns trigger language plpgsql as 'begin insert into after_row values (1); return null; end';
		create table chain(a int); create trigger chain after insert on chain for each row execute function passes();
		create function ddl() returns event_trigger language plpgsql as 'begin insert into public.log(what) values (''ddl''); end';
		create event trigger ddl on ddl_command_end when tag in ('CREATE TABLE') execute function ddl()`)
	const log = "select count(*) from log"
	f.seen(t, seenWrite{query: log, write: "insert into after_row values (1)"}, seenWrite{query: log, write: "update after_row set a = 2"},
		seenWrite{query: log, write: "delete from after_row", before: "insert into after_row values (1)"},
		seenWrite{query: "select count(*) from after_row", write: "insert into after_row values (1)"},
		seenWrite{query: log, write: "insert into before_row values (1)"},
		seenWrite{query: log, write: "insert into per_statement select 1 where false"},
		seenWrite{query: log, write: "truncate per_statement"}, seenWrite{query: log, write: "insert into late values (1)"},
		seenWrite{query: log, write: "begin;;insert into late values (1);;commit"},
		seenWrite{query: log, write: "begin;;insert into late values (1);;set constraints all immediate;;commit"},
		seenWrite{query: log, write: "insert into part values (1)"}, seenWrite{query: log, write: "insert into part1 values (1)"},
		seenWrite{query: log, write: "delete from parent", before: "insert into parent values (1);;insert into child values (1)"},
		seenWrite{query: log, write: "update parent set id = id + 1",
			before: "truncate parent, child;;insert into parent values (1);;insert into child values (1)"},
		seenWrite{query: log, write: "update base set a = a + 1"}, seenWrite{query: log, write: "insert into when_big values (6)"},
		seenWrite{query: log, write: "insert into chain values (1)"}, seenWrite{query: log, write: "copy after_row from program 'echo 1'"},
		seenWrite{query: log, write: "with w as (insert into after_row values (1)) select 1"},
		seenWrite{query: log, write: "create table made()", before: "drop table if exists made", simple: true},
		seenWrite{query: log, write: "select into made",
			before: `drop table if exists made; create or replace function logs() returns trigger language plpgsql as 'begin insert into
				log(what) values (1); return new; end'; drop event trigger if exists ddl;
				create event trigger ddl on ddl_command_end execute function ddl()`, simple: true})
}

func TestChecklist_I4_ForeignKeysCarryWritesOn(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i4", `create table parent(id int primary key);
		create table cascades(id int references parent on delete cascade on update cascade);
		create table nulls(id int references parent on delete set null on update set null);
		create table defaults(id int default 0 references parent on delete set default on update set default);
		create table mid(id int primary key references parent on delete cascade on update cascade);
		create table leaf(id int references mid on delete cascade on update cascade);
		create table last(id int, x int); create table leaf2(id int primary key references mid on delete cascade on update cascade);
		create table leaf3(id int references leaf2 on delete set null on update cascade);
		create table tree(id int primary key, up int references tree on delete cascade);
		create table proot(id int primary key) partition by list (id); create table p1 partition of proot for values in (1, 2);
		create table of_part(id int references proot on delete cascade);
		create table kids(id int references parent on delete cascade) partition by list (id);
		create table kids1 partition of kids for values in (1, 2, 3); create table unrelated as select 1 as a`)
	const filled = `truncate parent cascade;;insert into parent values (0), (1);;insert into cascades values (1);;insert into nulls values (1);;
		insert into defaults values (1);;insert into mid values (1);;insert into leaf values (1);;insert into leaf2 values (1);;
		insert into leaf3 values (1);;insert into kids values (1)`
	for _, table := range []string{"cascades", "nulls", "defaults", "mid", "leaf", "leaf2", "leaf3"} {
		f.seen(t, seenWrite{query: "select id from " + table, write: "delete from parent where id = 1", before: filled},
			seenWrite{query: "select id from " + table, write: "update parent set id = 2 where id = 1", before: filled + ";;truncate kids"})
	}
	f.seen(t, seenWrite{query: "select id from kids1", write: "delete from parent where id = 1", before: filled},
		seenWrite{query: "select id from kids", write: "delete from parent where id = 1", before: filled},
		seenWrite{query: "select id from leaf3", write: "delete from mid", before: filled},
		seenWrite{query: "select count(*) from cascades", write: "truncate parent cascade", before: filled},
		seenWrite{query: "select count(*) from leaf3", write: "truncate parent cascade", before: filled},
		seenWrite{query: "select id from cascades",
			write: "merge into parent using (values (1)) x(id) on parent.id = x.id when matched then delete", before: filled},
		seenWrite{query: "select id from leaf", write: "insert into parent values (1) on conflict (id) do update set id = 3",
			before: filled + ";;truncate kids"},
		seenWrite{query: "select id from tree order by 1", write: "delete from tree where id = 1",
			before: "truncate tree;;insert into tree values (1, null), (2, 1), (3, 2)"},
		seenWrite{query: "select id from of_part", write: "delete from proot",
			before: "delete from proot;;insert into proot values (1);;insert into of_part values (1)"},
		seenWrite{query: "select id from of_part", write: "delete from p1",
			before: "delete from proot;;insert into proot values (1);;insert into of_part values (1)"})
	f.stays(t, "select a from unrelated", "delete from leaf3", "insert into parent values (9)")
	f.stays(t, "select id from cascades", "insert into parent values (10)", "delete from leaf2")
}

func TestChecklist_I5_WritesOfRoutinesAreSeen(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i5", `create table t(a int); insert into t values (1);
		create function sqlf() returns int language sql as 'update t set a = a + 1 returning a';
		create function plf() returns void language plpgsql as 'begin update t set a = a + 1; end';
		create function atomic() returns int language sql begin atomic update t set a = a + 1 returning a; end;
		create function nested() returns int language plpgsql as 'begin perform plf(); return 1; end';
		create function dynamic(what text) returns void language plpgsql as 'begin execute what; end';
		create function definer() returns int language sql security definer as 'select sqlf()';
		create function survives() returns int language plpgsql as 'begin update t set a = a + 1; begin perform 1 / 0;
		exception when others then null; end; return 1; end';
		create procedure p() language sql as 'update t set a = a + 1'; create procedure plp() language plpgsql as 'begin update t set a = a + 1;
		end'; create procedure outp(inout x int) language plpgsql as 'begin update t set a = a + x returning a into x; end';
		create procedure commits() language plpgsql as 'begin update t set a = a + 1; commit; update t set a = a + 1; rollback;
		update t set a = a + 1; end'; create procedure rolls() language plpgsql as 'begin update t set a = a + 1; commit;
		update t set a = a + 100; rollback; end'`)
	for _, write := range []string{
		"select sqlf()", "select plf()", "select * from plf()", "select atomic()", "select nested()", "select dynamic('update t set a = a + 1')",
		"select dynamic('upd' || 'ate t set a = a + 1')", "select definer()", "select survives()",
		"call p()", "call plp()", "call outp(1)", "call commits()", "call rolls()", "do 'begin update t set a = a + 1; end'",
		"do $$ begin perform sqlf(); end $$", "do $$ begin execute 'upd' || 'ate t set a = a + 1'; end $$",
		"do $$ begin update t set a = a + 1; commit; update t set a = a + 1; end $$", "do $$ begin call commits(); end $$",
		"do language plpgsql $x$ declare i int; begin for i in 1..3 loop update t set a = a + i; end loop; end $x$",
		"begin;;call p();;select sqlf();;commit",
	} {
		f.seen(t, seenWrite{query: "select a from t", write: write})
	}
	// A call by the function's number.
	oid := rig.Ask(t, f.real, "select 'plf()'::regprocedure::oid")
	var number uint32
	if _, err := fmt.Sscan(oid, &number); err != nil {
		t.Fatal(err)
	}
	body := append(binary.BigEndian.AppendUint32(nil, number), 0, 0, 0, 0, 0, 0)
	caller := f.Dial(t, proxytest.Login{User: "postgres", Database: f.database})
	rig.Prime(t, f.reader, "select a from t")
	before := rig.Ask(t, f.real, "select a from t")
	if got, err := caller.Ask(pgwire.AppendMessage(nil, pgwire.FunctionCall, body)); err != nil || got[0].Type != pgwire.FunctionCallResponse {
		t.Fatal(got, err)
	}
	if rig.Ask(t, f.real, "select a from t") == before {
		t.Error("the call changed nothing, so this proves nothing")
	}
	rig.WantFresh(t, "a FunctionCall", "select a from t", f.real, f.reader, f.writer)
}

func TestChecklist_I6_WritesThroughViewsAreSeen(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_i6", `create table t(id int primary key, a int); insert into t values (1, 1); create table u(id int, b int);
		insert into u values (1, 1); create view v as select id, a from t;
		create view over_v as select id, a from v where a > 0 with cascaded check option;
		create view renamed as select id as k, a as val from over_v; create view joined as select id, a, b from t join u using (id);
		create function puts() returns trigger language plpgsql as 'begin update t set a = new.a where id = new.id;
		update u set b = new.b where id = new.id; return new; end';
		create trigger puts instead of update on joined for each row execute function puts();
		create view triggered as select id from t;
		create function adds() returns trigger language plpgsql as 'begin insert into t values (new.id, 0); return new; end';
		create trigger adds instead of insert on triggered for each row execute function adds();
		create view ruled as select id, a from t; create rule up as on update to ruled do instead update u set b = new.a;
		create view plain as select b from u; create materialized view m as select a from t`)
	const rows = "select id, a from t order by id"
	f.seen(t, seenWrite{query: rows, write: "insert into v select max(id) + 1, 1 from t"},
		seenWrite{query: rows, write: "update v set a = a + 1"}, seenWrite{query: rows, write: "delete from v where id > 1",
			before: "insert into t select max(id) + 1, 1 from t"},
		seenWrite{query: rows, write: "update over_v set a = a + 1"},
		seenWrite{query: rows, write: "insert into over_v select max(id) + 1, 1 from t"},
		seenWrite{query: rows, write: "update renamed set val = val + 1"},
		seenWrite{query: rows, write: "copy triggered from program 'echo 9'", before: "delete from t where id = 9"},
		seenWrite{query: rows, write: "update joined set a = a + 1, b = b + 1"},
		seenWrite{query: "select b from u", write: "update joined set b = b + 1"},
		seenWrite{query: "select b from u", write: "update ruled set a = b + 1 from u"},
		seenWrite{query: "select b from u", write: "update plain set b = b + 1"},
		seenWrite{query: "select k, val from renamed order by k", write: "update t set a = a + 1", loose: true},
		seenWrite{query: "select k, val from renamed order by k", write: "update v set a = a + 1", loose: true},
		seenWrite{query: rows, write: "with w as (update v set a = a + 1 returning a) select a from w"})
	f.since(t, 170000, "MERGE into a view", func(t *testing.T) {
		f.seen(t, seenWrite{query: rows, write: "merge into v using (values (1)) x(i) on v.id = x.i when matched then update set a = a + 1"})
	})
}
