package sqlscan

import (
	"strings"
	"testing"
)

func TestDisplay_ShowsNoValueInAnyDress(t *testing.T) {
	for _, text := range []string{
		"set app.tenant = secret", "SET app.tenant TO secret", "set local app.tenant = secret, secret", `set app.tenant = "secret"`,
		"set role secret", `set role "secret"`, "set session authorization secret", "set time zone secret", "set names secret",
		"select 1; set a = secret; select 2", "set search_path to a, secret", "alter role app set app.key = secret",
		"alter database shop set app.key to secret", "alter system set app.key = secret", "set a = 'secret'",
		"create function f() returns int language sql set app.key = secret as 'secret'",
		"alter user app password 'secret'", "create user app password $$secret$$", "create user app password $x$secret$x$",
		`create user app password E'secret'`, `create user app password U&'secret'`, "select 1 -- secret", "select /* secret */ 1",
		"select N'secret', X'5ec' , B'01', 'sec' \n 'ret', 'secret'",
	} {
		shape, _ := AppendShape(nil, []byte(text))
		if got := Display(string(shape), true); strings.Contains(got, "secret") {
			t.Errorf("%s: got %s", text, got)
		}
	}
	for _, text := range []string{
		"select * from users where mail = secret@example.com x y", "select * from t where id = 550e8400-secret-41d4 and",
		`select * fron t where name = "secret"`, "select secret secret secret from", `insert in t values (U&"secret")`,
	} {
		shape, _ := AppendShape(nil, []byte(text))
		if got := Display(string(shape), false); strings.Contains(got, "secret") {
			t.Errorf("not readable: %s: got %s", text, got)
		}
	}
}

func TestDisplay_ShowsWhatPeopleNeed(t *testing.T) {
	for text, want := range map[string]string{
		`SELECT "Name", a.b FROM t AS a WHERE id = 7 AND x = $1`: `select "Name" , a . b from t as a where id = 1 and x = $1`,
		"update t set a = b where c = 1":                         "update t set a = b where c = 1",
		"set statement_timeout = 100; select 1":                  "set statement_timeout = … ; select 1",
		"set local app.tenant to x":                              "set local app . tenant to …",
		"reset role":                                             "reset role",
		"":                                                       "",
	} {
		shape, _ := AppendShape(nil, []byte(text))
		if got := Display(string(shape), true); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if got, want := Display("select * fron t where mail = john @ example . com", false), "select * … where … = … @ … . …"; got != want {
		t.Errorf("not readable: got %s, want %s", got, want)
	}
}
