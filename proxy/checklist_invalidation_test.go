package proxy_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/pgwire"
	"overdrive/proxy/proxytest"
)

func TestChecklist_I1_WritesThroughTheProxyAreSeenInBothProtocols(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i1", "create table t(id serial primary key, a int); insert into t(a) values (1), (2)")
	const rows, filled = "select id, a from t order by id", "truncate t;;insert into t(a) values (1), (2)"
	f.seen(t,
		chkFWrite{query: rows, write: "insert into t(a) values (3)"}, chkFWrite{query: rows, write: "update t set a = a + 1"}, chkFWrite{query: rows, write: "delete from t", before: filled},
		chkFWrite{query: rows, write: "truncate t", before: filled}, chkFWrite{query: rows, write: "insert into t(a) values (3) returning id"},
		chkFWrite{query: rows, write: "merge into t using (values (5)) x(a) on false when not matched then insert (a) values (x.a)"},
		chkFWrite{query: rows, write: "merge into t using (values (5)) x(b) on true when matched and a > 0 then update set a = a + b when matched then delete", before: filled},
		chkFWrite{query: rows, write: "begin;;insert into t(a) values (4);;commit"}, chkFWrite{query: rows, write: "begin;;insert into t(a) values (4);;update t set a = a + 1;;end"},
		chkFWrite{query: rows, write: "start transaction isolation level serializable;;insert into t(a) values (4);;commit and chain;;insert into t(a) values (5);;commit"},
		chkFWrite{query: rows, write: "select 1; insert into t(a) values (6); select 2", simple: true}, chkFWrite{query: rows, write: "begin; insert into t(a) values (6); commit", simple: true},
		chkFWrite{query: rows, write: "prepare p as insert into t(a) values (7);;execute p;;deallocate p;;discard all", simple: true}, chkFWrite{query: rows, write: "copy t(a) from program 'echo 5'"})
	// One parse, many binds.
	if _, err := f.writer.Prepare(t.Context(), "ins", "insert into t(a) values ($1::int)", nil); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		prime(t, f.reader, rows)
		prime(t, f.writer, rows)
		if r := f.writer.ExecPrepared(t.Context(), "ins", [][]byte{fmt.Append(nil, i)}, nil, nil).Read(); r.Err != nil || r.CommandTag.RowsAffected() != 1 {
			t.Fatal(r.CommandTag, r.Err)
		}
		wantFresh(t, "binding once more", rows, f.real, f.writer, f.reader)
	}
	copying := f.dial(t, proxytest.Login{User: "postgres", Database: f.database})
	for _, start := range [][]byte{
		proxytest.Query("copy t(a) from stdin"),
		append(append(append(proxytest.Parse("", "copy t(a) from stdin"), proxytest.Bind("", "", nil, nil, nil)...), proxytest.Execute("", 0)...), proxytest.Flush()...),
	} {
		before := ask(t, f.real, "select count(*) from t")
		prime(t, f.reader, rows)
		prime(t, f.writer, rows)
		chkFCopy(t, copying, start, func() { wantFresh(t, "half a copy", rows, f.real, f.writer, f.reader) })
		wantFresh(t, "COPY", rows, f.real, f.writer, f.reader)
		if got := ask(t, f.reader, "select count(*) from t"); got == before {
			t.Errorf("after COPY there are %s rows still", got)
		}
	}
}

// chkFCopy copies two rows in, by what start begins, and does as told between them.
func chkFCopy(t *testing.T, w *proxytest.Wire, start []byte, between func()) {
	t.Helper()
	if err := w.Send(start); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := w.Receive()
		if err != nil || m.Type == pgwire.ErrorResponse {
			t.Fatal(m, err)
		}
		if m.Type == pgwire.CopyInResponse {
			break
		}
	}
	if err := w.Send(proxytest.CopyData([]byte("70\n"))); err != nil {
		t.Fatal(err)
	}
	between()
	rest := [][]byte{proxytest.CopyData([]byte("71\n")), proxytest.CopyDone()}
	if start[0] != pgwire.Query {
		rest = append(rest, proxytest.Sync())
	}
	if err := w.Send(rest...); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ReceiveReady(1); err != nil || got[0].Type != pgwire.CommandComplete {
		t.Fatal(got, err)
	}
}

// chkFMaxAge is short enough to be waited for.
func chkFMaxAge(age time.Duration) func(*setup) {
	return func(s *setup) {
		s.options = func(o *proxy.Options) { o.Databases[0].Cache.MaxAge = age }
	}
}

// within waits until all clients are answered as the real server answers. write has been done around the proxy before, and
// could be seen at the time done: nothing older may be served once age has passed since.
func (f *chkFBench) within(t *testing.T, write, sql string, done time.Time, age time.Duration) {
	t.Helper()
	want := map[string]string{}
	for form, ask := range askers {
		want[form], _ = ask(t, f.real, sql)
	}
	await(t, sql+" to show "+write, func() bool {
		fresh := true
		for form, ask := range askers {
			for _, c := range []*pgconn.PgConn{f.writer, f.reader} {
				asked := time.Now()
				got, err := ask(t, c, sql)
				if err != nil {
					t.Fatal(err)
				}
				if got != want[form] {
					fresh = false
					if late := asked.Sub(done) - age; late >= 0 {
						t.Fatalf("%v later than max_age after %s, %s (%s) is %q (%s), want %q", late, write, sql, form, got, status(t, c), want[form])
					}
				}
			}
		}
		return fresh
	})
}

func TestChecklist_I2_WritesAroundTheProxyAreSeenAfterMaxAge(t *testing.T) {
	t.Parallel()
	const age = time.Second
	f := chkFStart(t, "chkf_i2", "create table t(a int); insert into t values (1); create view v as select sum(a) as s from t", chkFMaxAge(age))
	for _, write := range []string{
		"insert into t values (1)", "update t set a = a + 1", "delete from t where a = 2", "copy t from program 'echo 5'", "merge into t using (values (5)) x(a) on false when not matched then insert values (x.a)", "truncate t",
	} {
		for _, sql := range []string{"select sum(a), count(*) from t", "select s from v"} {
			for _, ask := range askers {
				for range 2 {
					if _, err := ask(t, f.reader, sql); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		ask(t, f.real, write)
		done := time.Now()
		f.within(t, write, "select sum(a), count(*) from t", done, age)
		f.within(t, write, "select s from v", done, age)
	}
}

func TestChecklist_I3_WritesOfTriggersAreSeen(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i3", `create table log(n serial, what text); create function logs() returns trigger language plpgsql as 'begin insert into log(what) values (tg_name); return coalesce(new, old); end';
		create table after_row(a int); create trigger after_row after insert or update or delete on after_row for each row execute function logs();
		create table before_row(a int); create trigger before_row before insert on before_row for each row execute function logs();
		create table per_statement(a int); create trigger per_statement after insert or truncate on per_statement for each statement execute function logs();
		create table late(a int); create constraint trigger late after insert on late deferrable initially deferred for each row execute function logs();
		create table part(a int) partition by list (a); create table part1 partition of part for values in (1); create trigger leaf after insert on part1 for each row execute function logs();
		create table parent(id int primary key); create table child(id int references parent on delete cascade on update set null); create trigger cascaded after update or delete on child for each row execute function logs();
		create table base(a int); create table heir() inherits (base); create trigger heir after update on heir for each row execute function logs(); insert into heir values (1);
		create table when_big(a int); create trigger when_big after insert on when_big for each row when (new.a > 5) execute function logs();
		create function passes() returns trigger language plpgsql as 'begin insert into after_row values (1); return null; end'; create table chain(a int); create trigger chain after insert on chain for each row execute function passes();
		create function ddl() returns event_trigger language plpgsql as 'begin insert into public.log(what) values (''ddl''); end'; create event trigger ddl on ddl_command_end when tag in ('CREATE TABLE') execute function ddl()`)
	const log = "select count(*) from log"
	f.seen(t, chkFWrite{query: log, write: "insert into after_row values (1)"}, chkFWrite{query: log, write: "update after_row set a = 2"}, chkFWrite{query: log, write: "delete from after_row", before: "insert into after_row values (1)"},
		chkFWrite{query: "select count(*) from after_row", write: "insert into after_row values (1)"}, chkFWrite{query: log, write: "insert into before_row values (1)"}, chkFWrite{query: log, write: "insert into per_statement select 1 where false"},
		chkFWrite{query: log, write: "truncate per_statement"}, chkFWrite{query: log, write: "insert into late values (1)"}, chkFWrite{query: log, write: "begin;;insert into late values (1);;commit"}, chkFWrite{query: log, write: "begin;;insert into late values (1);;set constraints all immediate;;commit"},
		chkFWrite{query: log, write: "insert into part values (1)"}, chkFWrite{query: log, write: "insert into part1 values (1)"}, chkFWrite{query: log, write: "delete from parent", before: "insert into parent values (1);;insert into child values (1)"},
		chkFWrite{query: log, write: "update parent set id = id + 1", before: "truncate parent, child;;insert into parent values (1);;insert into child values (1)"}, chkFWrite{query: log, write: "update base set a = a + 1"}, chkFWrite{query: log, write: "insert into when_big values (6)"},
		chkFWrite{query: log, write: "insert into chain values (1)"}, chkFWrite{query: log, write: "copy after_row from program 'echo 1'"}, chkFWrite{query: log, write: "with w as (insert into after_row values (1)) select 1"},
		chkFWrite{query: log, write: "create table made()", before: "drop table if exists made", simple: true}, chkFWrite{query: log, write: "select into made", before: "drop table if exists made; create or replace function logs() returns trigger language plpgsql as 'begin insert into log(what) values (1); return new; end'; drop event trigger if exists ddl; create event trigger ddl on ddl_command_end execute function ddl()", simple: true})
}

func TestChecklist_I4_ForeignKeysCarryWritesOn(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i4", `create table parent(id int primary key); create table cascades(id int references parent on delete cascade on update cascade); create table nulls(id int references parent on delete set null on update set null);
		create table defaults(id int default 0 references parent on delete set default on update set default); create table mid(id int primary key references parent on delete cascade on update cascade); create table leaf(id int references mid on delete cascade on update cascade);
		create table last(id int, x int); create table leaf2(id int primary key references mid on delete cascade on update cascade); create table leaf3(id int references leaf2 on delete set null on update cascade);
		create table tree(id int primary key, up int references tree on delete cascade); create table proot(id int primary key) partition by list (id); create table p1 partition of proot for values in (1, 2); create table of_part(id int references proot on delete cascade);
		create table kids(id int references parent on delete cascade) partition by list (id); create table kids1 partition of kids for values in (1, 2, 3); create table unrelated as select 1 as a`)
	const filled = "truncate parent cascade;;insert into parent values (0), (1);;insert into cascades values (1);;insert into nulls values (1);;insert into defaults values (1);;insert into mid values (1);;insert into leaf values (1);;insert into leaf2 values (1);;insert into leaf3 values (1);;insert into kids values (1)"
	for _, table := range []string{"cascades", "nulls", "defaults", "mid", "leaf", "leaf2", "leaf3"} {
		f.seen(t, chkFWrite{query: "select id from " + table, write: "delete from parent where id = 1", before: filled}, chkFWrite{query: "select id from " + table, write: "update parent set id = 2 where id = 1", before: filled + ";;truncate kids"})
	}
	f.seen(t, chkFWrite{query: "select id from kids1", write: "delete from parent where id = 1", before: filled}, chkFWrite{query: "select id from kids", write: "delete from parent where id = 1", before: filled},
		chkFWrite{query: "select id from leaf3", write: "delete from mid", before: filled}, chkFWrite{query: "select count(*) from cascades", write: "truncate parent cascade", before: filled}, chkFWrite{query: "select count(*) from leaf3", write: "truncate parent cascade", before: filled},
		chkFWrite{query: "select id from cascades", write: "merge into parent using (values (1)) x(id) on parent.id = x.id when matched then delete", before: filled}, chkFWrite{query: "select id from leaf", write: "insert into parent values (1) on conflict (id) do update set id = 3", before: filled + ";;truncate kids"},
		chkFWrite{query: "select id from tree order by 1", write: "delete from tree where id = 1", before: "truncate tree;;insert into tree values (1, null), (2, 1), (3, 2)"},
		chkFWrite{query: "select id from of_part", write: "delete from proot", before: "delete from proot;;insert into proot values (1);;insert into of_part values (1)"}, chkFWrite{query: "select id from of_part", write: "delete from p1", before: "delete from proot;;insert into proot values (1);;insert into of_part values (1)"})
	f.stays(t, "select a from unrelated", "delete from leaf3", "insert into parent values (9)")
	f.stays(t, "select id from cascades", "insert into parent values (10)", "delete from leaf2")
}

func TestChecklist_I5_WritesOfRoutinesAreSeen(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i5", `create table t(a int); insert into t values (1); create function sqlf() returns int language sql as 'update t set a = a + 1 returning a'; create function plf() returns void language plpgsql as 'begin update t set a = a + 1; end';
		create function atomic() returns int language sql begin atomic update t set a = a + 1 returning a; end; create function nested() returns int language plpgsql as 'begin perform plf(); return 1; end';
		create function dynamic(what text) returns void language plpgsql as 'begin execute what; end'; create function definer() returns int language sql security definer as 'select sqlf()'; create function survives() returns int language plpgsql as 'begin update t set a = a + 1; begin perform 1 / 0; exception when others then null; end; return 1; end';
		create procedure p() language sql as 'update t set a = a + 1'; create procedure plp() language plpgsql as 'begin update t set a = a + 1; end'; create procedure outp(inout x int) language plpgsql as 'begin update t set a = a + x returning a into x; end';
		create procedure commits() language plpgsql as 'begin update t set a = a + 1; commit; update t set a = a + 1; rollback; update t set a = a + 1; end'; create procedure rolls() language plpgsql as 'begin update t set a = a + 1; commit; update t set a = a + 100; rollback; end'`)
	for _, write := range []string{
		"select sqlf()", "select plf()", "select * from plf()", "select atomic()", "select nested()", "select dynamic('update t set a = a + 1')", "select dynamic('upd' || 'ate t set a = a + 1')", "select definer()", "select survives()",
		"call p()", "call plp()", "call outp(1)", "call commits()", "call rolls()", "do 'begin update t set a = a + 1; end'", "do $$ begin perform sqlf(); end $$", "do $$ begin execute 'upd' || 'ate t set a = a + 1'; end $$",
		"do $$ begin update t set a = a + 1; commit; update t set a = a + 1; end $$", "do $$ begin call commits(); end $$", "do language plpgsql $x$ declare i int; begin for i in 1..3 loop update t set a = a + i; end loop; end $x$", "begin;;call p();;select sqlf();;commit",
	} {
		f.seen(t, chkFWrite{query: "select a from t", write: write})
	}
	// A call by the function's number.
	oid := ask(t, f.real, "select 'plf()'::regprocedure::oid")
	var number uint32
	if _, err := fmt.Sscan(oid, &number); err != nil {
		t.Fatal(err)
	}
	body := append(binary.BigEndian.AppendUint32(nil, number), 0, 0, 0, 0, 0, 0)
	caller := f.dial(t, proxytest.Login{User: "postgres", Database: f.database})
	prime(t, f.reader, "select a from t")
	before := ask(t, f.real, "select a from t")
	if got, err := caller.Ask(pgwire.AppendMessage(nil, pgwire.FunctionCall, body)); err != nil || got[0].Type != pgwire.FunctionCallResponse {
		t.Fatal(got, err)
	}
	if ask(t, f.real, "select a from t") == before {
		t.Error("the call changed nothing, so this proves nothing")
	}
	wantFresh(t, "a FunctionCall", "select a from t", f.real, f.reader, f.writer)
}

func TestChecklist_I6_WritesThroughViewsAreSeen(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i6", `create table t(id int primary key, a int); insert into t values (1, 1); create table u(id int, b int); insert into u values (1, 1); create view v as select id, a from t; create view over_v as select id, a from v where a > 0 with cascaded check option;
		create view renamed as select id as k, a as val from over_v; create view joined as select id, a, b from t join u using (id);
		create function puts() returns trigger language plpgsql as 'begin update t set a = new.a where id = new.id; update u set b = new.b where id = new.id; return new; end'; create trigger puts instead of update on joined for each row execute function puts();
		create view triggered as select id from t; create function adds() returns trigger language plpgsql as 'begin insert into t values (new.id, 0); return new; end'; create trigger adds instead of insert on triggered for each row execute function adds();
		create view ruled as select id, a from t; create rule up as on update to ruled do instead update u set b = new.a; create view plain as select b from u; create materialized view m as select a from t`)
	const rows = "select id, a from t order by id"
	f.seen(t, chkFWrite{query: rows, write: "insert into v select max(id) + 1, 1 from t"}, chkFWrite{query: rows, write: "update v set a = a + 1"}, chkFWrite{query: rows, write: "delete from v where id > 1", before: "insert into t select max(id) + 1, 1 from t"},
		chkFWrite{query: rows, write: "update over_v set a = a + 1"}, chkFWrite{query: rows, write: "insert into over_v select max(id) + 1, 1 from t"}, chkFWrite{query: rows, write: "update renamed set val = val + 1"}, chkFWrite{query: rows, write: "copy triggered from program 'echo 9'", before: "delete from t where id = 9"},
		chkFWrite{query: rows, write: "update joined set a = a + 1, b = b + 1"}, chkFWrite{query: "select b from u", write: "update joined set b = b + 1"}, chkFWrite{query: "select b from u", write: "update ruled set a = b + 1 from u"}, chkFWrite{query: "select b from u", write: "update plain set b = b + 1"},
		chkFWrite{query: "select k, val from renamed order by k", write: "update t set a = a + 1", loose: true}, chkFWrite{query: "select k, val from renamed order by k", write: "update v set a = a + 1", loose: true},
		chkFWrite{query: rows, write: "with w as (update v set a = a + 1 returning a) select a from w"})
	f.needs(t, 170000, "MERGE into a view")
	f.seen(t, chkFWrite{query: rows, write: "merge into v using (values (1)) x(i) on v.id = x.i when matched then update set a = a + 1"})
}

func TestChecklist_I7_PartitionsAreOneTableAndMany(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i7", `create table root(a int, b int) partition by list (a); create table p1 partition of root for values in (1); create table p2 partition of root for values in (2); create table p3 partition of root for values in (3, 4) partition by range (b);
		create table p3a partition of p3 for values from (0) to (100); create table p3b partition of p3 for values from (100) to (200); create table rest partition of root default; create table other(a int, b int); insert into other values (7, 7); insert into root values (1, 1), (3, 1)`)
	const root = "select a, b from root order by a, b"
	insert := func(into string, a, b int) string { return fmt.Sprintf("insert into %s values (%d, %d)", into, a, b) }
	f.seen(t, chkFWrite{query: root, write: insert("p1", 1, 5)}, chkFWrite{query: root, write: insert("p3a", 3, 5)}, chkFWrite{query: root, write: insert("p3", 4, 5)}, chkFWrite{query: root, write: insert("rest", 9, 5)}, chkFWrite{query: "select a, b from p1 order by b", write: insert("root", 1, 6)},
		chkFWrite{query: "select a, b from p3 order by a, b", write: insert("root", 3, 6)}, chkFWrite{query: "select a, b from p3b", write: insert("root", 3, 106)}, chkFWrite{query: "select a, b from p3b", write: insert("p3", 3, 106)}, chkFWrite{query: "select a, b from rest", write: insert("root", 8, 8)},
		chkFWrite{query: "select count(*) from p1", write: "update root set a = 2 where a = 1", before: insert("root", 1, 1)}, chkFWrite{query: "select count(*) from p2", write: "update root set a = 2 where a = 1", before: insert("root", 1, 1)},
		chkFWrite{query: "select count(*) from p3b", write: "update p3 set b = 150 where b < 100", before: insert("root", 3, 7)}, chkFWrite{query: "select count(*) from p3a", write: "update root set b = 150 where a = 3 and b < 100", before: insert("root", 3, 7)},
		chkFWrite{query: "select sum(a) from root", write: "update root set a = 1 - a where a in (1, 2)", before: "truncate p1, p2;;" + insert("p2", 2, 1)}, chkFWrite{query: root, write: "truncate p1", before: insert("p1", 1, 1)}, chkFWrite{query: "select count(*) from p1", write: "truncate root", before: insert("p1", 1, 1)},
		chkFWrite{query: "select count(*) from p2", write: "merge into root using (values (1)) x(a) on root.a = x.a when matched then update set a = 2", before: "truncate root;;" + insert("p1", 1, 1)}, chkFWrite{query: "select count(*) from p1", write: "copy root from program 'echo \"1\t1\"'"},
		chkFWrite{query: root, write: "alter table root attach partition other for values in (7)", before: "delete from rest", simple: true}, chkFWrite{query: root, write: insert("other", 7, 9)}, chkFWrite{query: "select a, b from other order by b", write: insert("root", 7, 1)},
		chkFWrite{query: root, write: "alter table root detach partition other", before: insert("other", 7, 7), simple: true}, chkFWrite{query: root, write: "drop table p2", before: insert("p2", 2, 2), simple: true},
		chkFWrite{query: root, write: "begin;;alter table root detach partition p1;;truncate p1;;commit", before: insert("p1", 1, 1), simple: true}, chkFWrite{query: "select a, b from p3b", write: "alter table p3 detach partition p3a;;alter table p3a rename to old;;alter table p3b rename to p3a;;alter table old rename to p3b", before: "truncate p3;;" + insert("p3a", 3, 7), simple: true})
	f.hits(t, root, "select a, b from p1")
	f.stays(t, "select a, b from p1", "insert into rest values (99, 1)", "insert into p3 values (3, 150)", "insert into other values (7, 1)")
	f.stays(t, root, "insert into other values (7, 1)", "insert into p1 values (1, 1)") // a table of its own again, and so is p1
}

func TestChecklist_I8_HeirsOfTheSameNameAreSeen(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i8", `create table t(a int); insert into t values (1); create schema other; create table other.t() inherits (public.t); insert into other.t values (2); create schema third; create table third.t(c int) inherits (other.t); insert into third.t values (3);
		create schema apart; create table apart.t(a int); insert into apart.t values (9)`)
	const all = "select a from t order by a"
	for _, query := range []string{all, "select a from public.t order by a", "select a from other.t order by a", "select a from third.t order by a"} {
		f.seen(t, chkFWrite{query: query, write: "insert into third.t(a) values (4)"}, chkFWrite{query: query, write: "update t set a = a + 1"}, chkFWrite{query: query, write: "update other.t set a = a + 1"}, chkFWrite{query: query, write: "delete from t where a = 77", before: "insert into third.t(a) values (77)"})
	}
	f.seen(t, chkFWrite{query: all, write: "insert into other.t values (5)"}, chkFWrite{query: "select a from other.t order by a", write: "insert into third.t(a) values (5)"}, chkFWrite{query: "select count(*) from third.t", write: "truncate t", before: "insert into third.t(a) values (1)"},
		chkFWrite{query: all, write: "alter table apart.t inherit t", simple: true}, chkFWrite{query: all, write: "insert into apart.t values (7)"}, chkFWrite{query: "select a from apart.t order by a", write: "update t set a = a + 1"},
		chkFWrite{query: all, write: "alter table apart.t no inherit t", simple: true}, chkFWrite{query: all, write: "create table apart.t2() inherits (t);;insert into apart.t2 values (8)", simple: true}, chkFWrite{query: "select a from only t", write: "update only t set a = a + 1", before: "insert into t values (1)"})
	f.stays(t, all, "insert into apart.t values (6)")
	f.stays(t, "select a from apart.t order by a", "insert into t values (6)", "update other.t set a = 1")
}

func TestChecklist_I9_MaterializedViewsChangeWhenRefreshed(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i9", `create table t(a int); insert into t values (1); create materialized view m as select count(*) as n from t; create unique index on m (n); create materialized view over_m as select n + 1 as n from m; create view v as select n from m`)
	for _, query := range []string{"select n from m", "select n from v", "select m.n from m, t limit 1"} {
		f.seen(t, chkFWrite{query: query, write: "refresh materialized view m", before: "insert into t values (2)"}, chkFWrite{query: query, write: "refresh materialized view concurrently m", before: "insert into t values (2)"})
	}
	f.seen(t, chkFWrite{query: "select n from over_m", write: "refresh materialized view over_m", before: "insert into t values (2);;refresh materialized view m"}, chkFWrite{query: "select n from m", write: "refresh materialized view m with no data", before: "refresh materialized view m"},
		chkFWrite{query: "select n from m", write: "begin;;refresh materialized view m;;commit", before: "insert into t values (2)"}, chkFWrite{query: "select n from m", write: "do 'begin refresh materialized view m; end'", before: "insert into t values (2)"})
	// What it is made of does not change it.
	f.stays(t, "select n from m", "insert into t values (3)", "truncate t")
	f.stays(t, "select n from v", "insert into t values (3)")
}

func TestChecklist_I10_UnloggedTablesFollowTheWritesOfTheProxy(t *testing.T) {
	t.Parallel()
	const age = time.Second
	f := chkFStart(t, "chkf_i10", "create unlogged table t(a int); insert into t values (1); create unlogged table u(a int)", chkFMaxAge(time.Minute))
	f.seen(t, chkFWrite{query: "select sum(a) from t", write: "insert into t values (1)"}, chkFWrite{query: "select sum(a) from t", write: "update t set a = a + 1"}, chkFWrite{query: "select count(*) from t", write: "truncate t", before: "insert into t values (1)"},
		chkFWrite{query: "select sum(a) from t", write: "alter table t set logged;;insert into t values (1);;alter table t set unlogged", simple: true})
	f.stays(t, "select sum(a) from t", "insert into u values (1)")
	// Around the proxy nobody promises more than max_age, for this table as for others.
	short := chkFStart(t, "chkf_i10_short", "create unlogged table t(a int); insert into t values (1)", chkFMaxAge(age))
	for range 3 {
		_ = ask(t, short.reader, "select sum(a) from t")
	}
	ask(t, short.real, "insert into t values (1)")
	short.within(t, "INSERT", "select sum(a) from t", time.Now(), age)
}

func TestChecklist_I11_TemporaryTablesHideTablesFromTheirSessionOnly(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i11", "create table t(a int); insert into t values (1); create table u(a int)")
	const sql = "select a from t"
	for _, temporary := range []string{
		"create temp table t as select 2 as a", "select 2 as a into temp t", "create temporary view t as select 2 as a", "create table pg_temp.t as select 2 as a", "create local temp table t(a) as values (2)", "do 'begin create temp table t as select 2 as a; end'",
		"begin;;create temp table t on commit preserve rows as select 2 as a;;commit", "set search_path = pg_temp, public;;create table t as select 2 as a", "create temp table other as select 2 as a;;alter table other rename to t;;alter table pg_temp.t rename column a to a2;;alter table pg_temp.t rename column a2 to a",
	} {
		c := f.connect(t, f.database)
		f.hits(t, sql)
		if !chkFPrime(t, c, sql) {
			return
		}
		for _, step := range chkFSteps(temporary) {
			ask(t, c, step)
		}
		for form := range askers {
			got, word, err := chkFSettled(t, c, form, sql)
			if want, _ := askers[form](t, f.real, "select 2"); got != want || err != nil || word != "session-state" && word != "uncacheable" {
				t.Errorf("after %s its session, %s, gets %q, %v (%s), want its own table", temporary, form, got, err, word)
			}
		}
		f.hits(t, sql) // whoever else asks is not concerned, on whichever connection
		ask(t, c, "discard all")
		if !chkFPrime(t, c, sql) {
			t.Errorf("after %s and DISCARD ALL", temporary)
		}
		wantFresh(t, temporary+" and DISCARD ALL", sql, f.real, c)
		closeConn(c)
	}
}

func TestChecklist_I12_ForeignTablesAreNeverCached(t *testing.T) {
	t.Parallel()
	f := chkFStart(t, "chkf_i12", "create table t(a int); insert into t values (1); create table u(a int); create table root(a int) partition by list (a)")
	f.extension(t, "postgres_fdw")
	for _, sql := range []string{
		fmt.Sprintf("create server loop foreign data wrapper postgres_fdw options (host '127.0.0.1', port '%d', dbname '%s')", f.pg.Port(), f.database), "create user mapping for postgres server loop options (user 'postgres', password_required 'false')",
		"create foreign table ft(a int) server loop options (table_name 't')", "create view v as select a from ft", "create view over_v as select max(a) as a from v", "create foreign table fp partition of root for values in (1) server loop options (table_name 't')",
		"create table parent(a int)", "create foreign table heir() inherits (parent) server loop options (table_name 't')",
	} {
		ask(t, f.writer, sql)
	}
	queries := []string{"select a from ft", "select a from v", "select a from over_v", "select a from root", "select a from fp", "select a from parent", "table ft", "select u.a from u join ft using (a)", "select 1 where exists (select from ft)", "with w as (select a from ft) select a from w"}
	f.never(t, chkFNever, queries...)
	for _, query := range queries[:7] {
		f.seen(t, chkFWrite{query: query, write: "update t set a = a + 1", loose: true})
	}
	// And who writes through one may write any table.
	f.seen(t, chkFWrite{query: "select count(*), sum(a) from t", write: "insert into ft values (1)"}, chkFWrite{query: "select count(*), sum(a) from t", write: "update ft set a = a + 1"}, chkFWrite{query: "select count(*), sum(a) from t", write: "insert into root values (1)"},
		chkFWrite{query: "select count(*), sum(a) from t", write: "update parent set a = a + 1"}, chkFWrite{query: "select count(*), sum(a) from t", write: "insert into v values (1)"}, chkFWrite{query: "select count(*), sum(a) from t", write: "truncate ft", before: "insert into t values (1)"})
	if strings.Contains(status(t, f.reader), "disabled") {
		t.Error("the cache is off, so this proves nothing")
	}
}
