package classify

import (
	"fmt"
	"testing"
)

// Whether a database has code that may set parameters is told by the words of its functions.
func TestCatalog_KnowsWhetherFunctionsMaySetParameters(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, "create table t (a int)")
	for body, want := range map[string]bool{
		"begin perform 1; end": false,
		"begin update t set a = 1; insert into t values (1) on conflict do nothing; end": false,
		"begin update t as x set a = 1; end":                                             false,
		"begin execute 'insert into t values ($1)' using 1; end":                         false,
		"begin execute format('create table %I ()', 'x'); end":                           false,
		"begin EXECUTE\n FORMAT ( '\n delete from %I', 't'); end":                        false,
		"begin perform set_config('search_path', 'x', false); end":                       true,
		"begin PERFORM pg_catalog.Set_Config('search_path', 'x', false); end":            true,
		"begin set search_path = x; end":                                                 true,
		"begin if true then set role x; end if; end":                                     true,
		"begin perform 1; reset role; end":                                               true,
		"begin execute 'set role x'; end":                                                true,
		"declare w text := 'set role x'; begin execute w; end":                           true,
		"begin execute 'select set_config(''role'', ''x'', false)'; end":                 true,
		"begin execute (select a from t); end":                                           true,
		"begin update pg_settings set setting = 'x' where name = 'role'; end":            true,
	} {
		execSQL(t, conn, fmt.Sprintf("create function f() returns void language plpgsql as $f$%s$f$", body))
		c := New(nil)
		c.SetCatalog(loadCatalog(t, conn), c.Generation())
		for _, text := range []string{"select f()", "call p()"} {
			if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
				t.Errorf("%s: %s: got %v, want %v", body, text, got, want)
			}
		}
		if c.Judge([]byte("update t set a = 1")).Session.Has(Configures) {
			t.Errorf("%s: an UPDATE of a plain table is said to run code", body)
		}
		execSQL(t, conn, "drop function f()")
	}
}

func TestJudge_WithoutACatalogAnyFunctionMaySetParameters(t *testing.T) {
	c := New(nil)
	for text, want := range map[string]bool{"select f()": true, "call p()": true, "set datestyle to iso": false, "begin": false} {
		if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestJudge_DoBlocksMaySetParametersByTextsOfTheirOwn(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"do $$ begin execute 'insert into t values (1)'; end $$":             false,
		"do $$ begin execute format('truncate %I', 't'); end $$":             false,
		"do $$ declare w text := '...'; begin execute w; end $$":             true,
		"do $$ begin execute format(w, 't'); execute 'select 1'; end $$":     true,
		"do $$ begin execute 'select 1'; execute chr(115) || 'et x'; end $$": true,
	} {
		if got := c.Judge([]byte(text)).Session.Has(Configures); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
