package bystander_test

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"
)

// lasting is DDL that takes long, or goes on and on.
type lasting struct {
	name string
	// begin begins it, and returns what ends it.
	begin func(t *testing.T, b *bench) (end func())
}

// reads are those of the bystander's while it lasts.
const reads = 100

// open is a transaction that has sent some statements and stays open.
func open(statements ...string) func(t *testing.T, b *bench) func() {
	return func(t *testing.T, b *bench) func() {
		c := b.Connect(t, b.database)
		rig.Ask(t, c, "begin")
		for _, sql := range statements {
			rig.Ask(t, c, sql)
		}
		return func() { rig.Ask(t, c, "rollback"); rig.CloseConn(c) }
	}
}

// behindWriter is a statement that waits for a transaction which has written a table.
func behindWriter(table, statement string) func(t *testing.T, b *bench) func() {
	return func(t *testing.T, b *bench) func() {
		writer, c := b.Connect(t, b.database), b.Connect(t, b.database)
		rig.Ask(t, writer, "begin; insert into "+table+" values (1)")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = rig.Try(t.Context(), c, statement)
		}()
		rig.Await(t, statement+" to wait", func() bool {
			return rig.Ask(t, b.real, "select count(*) > 0 from pg_locks where not granted") == "t"
		})
		return func() {
			rig.Ask(t, writer, "rollback")
			<-done
			rig.CloseConn(writer)
			rig.CloseConn(c)
		}
	}
}

// again sends statements again and again.
func again(statements ...string) func(t *testing.T, b *bench) func() {
	return func(t *testing.T, b *bench) func() {
		c, stop, done := b.Connect(t, b.database), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, sql := range statements {
					_, _ = rig.Try(t.Context(), c, sql)
				}
			}
		}()
		return func() { close(stop); <-done; rig.CloseConn(c) }
	}
}

func TestBystander_KeepsItsAnswerWhileDDLLasts(t *testing.T) {
	const name = "lasting"
	pg := rig.NewDatabase(t, name, `create table unrelated (a int); insert into unrelated values (1); create table busy (a int); create table other (a int primary key);
		create function f() returns int language sql as 'select 1'; create view v as select a from busy; create materialized view m as select a from busy`)
	b := &bench{real: rig.Direct(t, pg, name), pg: pg, database: name, answer: answer}
	b.Instance = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 6, Caching: true})
	b.bystander = b.Connect(t, name)
	for _, l := range []lasting{
		{"an open transaction that has altered a table", open("alter table busy add column b int default 1, alter a set default 2")},
		{"an open transaction that has made a table", open("create table made (a int)")},
		{"an open transaction that has dropped a table", open("drop table other")},
		{"an open transaction that has replaced a function", open("create or replace function f() returns int language sql as 'select 2'")},
		{"an open transaction that has made a trigger", open("create function g() returns trigger language plpgsql as 'begin return new; end'", "create trigger g before insert on busy for each row execute function g()")},
		{"an open transaction with savepoints", open("savepoint a", "alter table busy add column c int", "rollback to a", "savepoint b", "create view w as select 1")},
		{"CREATE INDEX CONCURRENTLY that waits", behindWriter("busy", "create index concurrently on busy (a)")},
		{"ALTER TABLE that waits", behindWriter("busy", "alter table busy add column d int")},
		{"DROP TABLE that waits", behindWriter("other", "drop table other")},
		{"tables made and dropped", again("create table coming (a int)", "drop table coming")},
		{"views replaced", again("create or replace view v as select a from busy")},
	} {
		rig.Await(t, answer+" to be kept", func() bool { rig.Ask(t, b.bystander, answer); return rig.Status(t, b.bystander) == hit })
		end, others := l.begin(t, b), map[string]int{}
		for range reads {
			rig.Ask(t, b.bystander, answer)
			if word := rig.Status(t, b.bystander); word != hit {
				others[word+": "+rig.Ask(t, b.bystander, "show overdrive.reason")]++
			}
			time.Sleep(5 * time.Millisecond)
		}
		end()
		misses := 0
		for _, n := range others {
			misses += n
		}
		if misses > reads/10 {
			t.Errorf("%s: %d reads of %d are no hits: %v", l.name, misses, reads, others)
		}
	}
}
