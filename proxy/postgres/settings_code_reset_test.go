package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest/rig"
)

// A RESET that code runs comes to the value of the client's startup packet, like one that stands in a text. What was set to the server's own value before
// stays that.
func TestSettings_AResetInCodeReturnsToTheStartupPacket(t *testing.T) {
	t.Parallel()
	const name = "reset_in_code"
	pg := rig.NewDatabase(t, name, `create function undo(name text) returns void language plpgsql as $$ begin execute 'reset ' || name; end $$;
		create function undo_all() returns void language plpgsql as $$ begin reset all; end $$;
		create function put(name text, value text) returns void language plpgsql as $$ begin execute format('set %I = %L', name, value); end $$`)
	startup := map[string]string{"TimeZone": "CET", "DateStyle": "SQL, DMY", "work_mem": "9MB", "IntervalStyle": "iso_8601", "application_name": "own"}
	show := "select "
	for key := range startup {
		show += "current_setting('" + key + "'), "
	}
	show += "'that is all'"
	server := rig.Direct(t, pg, name)
	for _, caching := range []bool{false, true} {
		in := &rig.PairBench{Instance: rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 3, Caching: caching}), Pg: pg, Database: name}
		other := in.Connect(t, name)
		for key := range startup {
			usual := rig.Ask(t, server, "select coalesce(current_setting('"+key+"', true), 'usual')")
			for _, steps := range [][]string{
				{"select undo('" + key + "')"},
				{"select undo_all()"},
				{"do $$ begin reset " + key + "; end $$"},
				{"do $$ begin perform set_config('" + key + "', null, false); end $$"},
				{"begin", "select undo('" + key + "')", "commit"},
				{"begin", "select undo('" + key + "')", "rollback"},
				{"begin", "savepoint a", "select undo_all()", "rollback to a", "commit"},
				{"set " + key + " = '" + usual + "'", "select undo('work_mem')"},
				{"set " + key + " = '" + usual + "'", "select 1", "begin", "set local " + key + " to default", "select undo('work_mem')", "commit"},
				{"select put('" + key + "', '" + usual + "')"},
				{"select undo('" + key + "')", "select put('" + key + "', '" + usual + "')"},
				{"select undo('" + key + "'); select put('" + key + "', '" + usual + "')"},
				{"select undo_all()", "set " + key + " = '" + usual + "'", "select undo('work_mem')"},
			} {
				pair := in.Pair(t, func(c *pgconn.Config) { c.RuntimeParams = startup })
				through, direct := pair.Through, pair.Real
				for i, sql := range steps {
					rig.Ask(t, through, sql)
					rig.Ask(t, direct, sql)
					if through.TxStatus() != 'I' {
						continue
					}
					rig.Ask(t, other, "begin; select 1")
					if got, want := rig.Ask(t, through, show), rig.Ask(t, direct, show); got != want {
						t.Errorf("cache %v, %q: behind step %d the client reads %s, want %s", caching, steps, i+1, got, want)
					}
					rig.Ask(t, other, "commit")
				}
				rig.CloseConn(through)
				rig.CloseConn(direct)
			}
		}
	}
}
