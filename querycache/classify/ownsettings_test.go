package classify

import (
	"fmt"
	"testing"
)

func TestOwnRead_FindsTheParametersOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	c := settled(t)
	for _, tt := range []struct {
		sql, want string
		others    bool
	}{
		{"select 1", "[]", false},
		{"select current_setting('work_mem')", "[]", false},
		{"select current_setting('App.Tenant', true), pg_catalog.current_setting ('a.b')", "[a.b app.tenant]", false},
		{"select \"current_setting\"('a.b')", "[a.b]", false},
		{"show app.tenant", "[app.tenant]", false},
		{"show work_mem", "[]", false},
		{"select current_setting($1, true)", "[]", true},
		{"select current_setting('a' || '.b')", "[]", true},
		{"select current_setting(E'a\\x2eb')", "[]", true},
		{"select 'current_setting(''a.b'')'", "[]", false},
	} {
		names, others := OwnRead([]byte(tt.sql))
		if got := fmt.Sprint(names); got != tt.want || others != tt.others {
			t.Errorf("%s: %s, %v; want %s, %v", tt.sql, got, others, tt.want, tt.others)
		}
		if (len(names) > 0 || others) && !c.Judge([]byte(tt.sql)).Session.Has(ReadsOwn) {
			t.Errorf("%s: the verdict does not say that it reads one", tt.sql)
		}
	}
}

func TestJudge_SeesWhatMaySetAParameterOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	c := settled(t)
	for sql, want := range map[string]bool{
		"set app.tenant = 1": true, "set local app.tenant = 1": true, "set session app.tenant to 'x'": true,
		"select set_config('app.tenant', '1', true)": true, "select set_config($1, '1', true)": true,
		"set work_mem = '1MB'": false, "set local work_mem = '1MB'": false, "select 1": false, "reset app.tenant": true, "reset work_mem": false,
	} {
		if got := c.Judge([]byte(sql)).Session.Has(SetsOwn); got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}

func TestOwnSet_FindsWhatFunctionsSet(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"begin perform set_config('app.tenant', t, false); end":                                                                            "[app.tenant]",
		"begin perform pg_catalog.Set_Config (\n\t'App.Tenant', t, false); end":                                                            "[app.tenant]",
		"select set_config('work_mem', '1MB', false), set_config('a.b', a.b, true)":                                                        "[a.b]",
		"begin set a.b = 1; set session c.d to 2; set local e.f = 3; end":                                                                  "[a.b c.d e.f]",
		"begin execute format('SET SESSION app.tenant = %L', t); execute 'set x.y=1'; end":                                                 "[app.tenant x.y]",
		"select a.b from t where a.b = 1.5 and current_setting('c.d') = a.b":                                                               "[]",
		"offset a.b; reset c.d; setting e.f; select unset_config('g.h')":                                                                   "[]",
		"set .a = 1; set a. = 1; ...":                                                                                                      "[]",
		"set request.jwt.claims = 1":                                                                                                       "[request.jwt.claims]",
		`begin perform set_config(E'app.e', t, false), set_config($n$App.D$n$, t, true); set "app"."Quoted" = 1; end`:                      "[app.d app.e app.quoted]",
		"begin perform set_config(/* whose */ 'a.b' -- tenant\n, t, false); set /* it */ session /**/ c . d = 1; end":                      "[a.b c.d]",
		"begin execute 'select set_config(''a.b'', $1, false)' using t; execute $q$set c.d = '1'$q$; end":                                  "[a.b c.d]",
		"begin execute E'select set_config(\\'a.b\\', \\'1\\', false)'; end":                                                               "[a.b]",
		"declare n text := 'a.b'; begin perform set_config(n, t, false); end":                                                              "[a.b]",
		"begin execute format('set %s = %L', 'a.b', t); end":                                                                               "[a.b]",
		"begin perform set_config('work_mem', 'c.d', false), 'e.f'::regclass; end":                                                         "[]",
		`plpy.execute("select set_config('a.b', '7', false)"); plpy.execute("set c.d = 1")`:                                                "[a.b c.d]",
		"create function s.f() returns text language sql begin atomic select set_config('a.b'::text, '7'::text, false) as set_config; end": "[a.b]",
		"begin execute 'set ' || quote_ident('a.b') || ' = ' || quote_literal(t); end":                                                     "[a.b]",
		"begin perform set_config(U&'a.b', t, false); end":                                                                                 "[a.b]",
		"begin perform set_config('größe.maß', t, false); end":                                                                             "[größe.maß]",
	} {
		c := &Inventory{ownSet: map[string]bool{}, ownStrings: map[string]bool{}}
		if c.addOwnSet(body); fmt.Sprint(c.OwnSet()) != want {
			t.Errorf("%s: got %v, want %s", body, c.OwnSet(), want)
		}
	}
	c := &Inventory{ownSet: map[string]bool{}, ownStrings: map[string]bool{}}
	for i := range 2 * maxOwnSet {
		c.addOwnSet(fmt.Sprintf("set a.b%d = 1", i))
	}
	if n := len(c.OwnSet()); n != maxOwnSet {
		t.Errorf("%d names are remembered", n)
	}
	c = &Inventory{ownSet: map[string]bool{}, ownStrings: map[string]bool{}}
	c.addOwnSet("begin perform sets('a.b', t); end")
	if c.addOwnSet("begin perform set_config(name, value, false); end"); fmt.Sprint(c.OwnSet()) != "[a.b]" {
		t.Errorf("of what one function gives another %v is found", c.OwnSet())
	}
}
