package classify

import (
	"fmt"
	"strings"
	"testing"
)

// spell writes settings as a test reads them.
func spell(all []LocalSetting) string {
	argument := func(a Argument) string {
		if a.Param != 0 {
			return fmt.Sprint("$", a.Param)
		}
		return a.Text
	}
	var parts []string
	for _, one := range all {
		value := argument(one.Value)
		if one.Default {
			value = "DEFAULT"
		}
		parts = append(parts, argument(one.Name)+"="+value)
	}
	return strings.Join(parts, "; ")
}

func TestJudge_ReadsWhatATextSetsForItsTransaction(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]string{
		"set local search_path = b":                                                                      "search_path=b",
		"SET LOCAL Search_Path TO b, \"C d\", 'e', $user":                                                "", // which the server refuses
		"SET LOCAL Search_Path TO b, \"C d\", 'e', \"$user\"":                                            `search_path=b, "C d", e, "$user"`,
		"set local search_path = 'b, c'":                                                                 `search_path="b, c"`,
		`set local search_path = 'it''s', "a""b"`:                                                        `search_path="it's", "a""b"`,
		"set local search_path to default":                                                               "search_path=DEFAULT",
		"set local schema 'b'":                                                                           "search_path=b",
		"set local search_path = b,":                                                                     "",
		"set local search_path = b c":                                                                    "",
		"set local search_path = 1":                                                                      "",
		"set local search_path from current":                                                             "",
		"set local search_path = E'b'":                                                                   "",
		"set local search_path = 'b'\n'c'":                                                               "",
		"set local role Reader":                                                                          "role=reader",
		"set local role \"Reader\"":                                                                      "role=Reader",
		"set local role to 'Reader' -- ; reset role":                                                     "role=Reader",
		"set local role = none":                                                                          "role=none",
		"set local role to default":                                                                      "role=DEFAULT",
		"set local role a, b":                                                                            "",
		"set local search_path = b; set local row_security = off":                                        "",
		"set local search_path = b; set local client_encoding = x":                                       "",
		"set local search_path = b; set local app.x = 1":                                                 "search_path=b; app.x=",
		"select set_config('role', 'b', true)":                                                           "role=b",
		"SELECT Pg_Catalog.Set_Config($1::text, $2::text, TRUE)":                                         "$1=$2",
		"select set_config('Role', null, true) as x, set_config('app.x', $3, true) y":                    "",
		"select set_config('Role', null, true) as x, set_config('app.x', $3, true)":                      "role=DEFAULT; app.x=$3",
		"select set_config('role', 'b', true); set local search_path = b":                                "role=b; search_path=b",
		"select set_config('app.x', 'b', true); set local role b;":                                       "app.x=b; role=b",
		"set local search_path = b; select set_config('app.x', 'b', true)":                               "",
		"select set_config($1, 'b', true); select set_config('app.x', 'b', true)":                        "",
		"select set_config('role', 'b', true), 1":                                                        "",
		"select set_config('role', 'b', true) from t":                                                    "",
		"select set_config('role', 'b', true) where f()":                                                 "",
		"select (set_config('role', 'b', true))":                                                         "",
		"select set_config('role', 'b', true)::f":                                                        "",
		"select set_config('role', lower('b'), true)":                                                    "",
		"select set_config('role', 'b'::varchar, true)":                                                  "",
		"select set_config('role', N'b', true)":                                                          "",
		"select set_config('role', $$b$$, true)":                                                         "",
		"select set_config('role', 'b', 't')":                                                            "",
		"select set_config('role', 'b', false)":                                                          "",
		"select b.set_config('role', 'b', true)":                                                         "",
		"with x as (select 1) select set_config('role', 'b', true)":                                      "",
		"set local search_path = b; insert into t values (1)":                                            "",
		"set local search_path = b; set constraints all immediate":                                       "",
		"set local search_path = b; reset role":                                                          "",
		"set local search_path = b; set role b":                                                          "",
		"begin; set local search_path = b":                                                               "",
		"select set_config('role', 'b', true)" + strings.Repeat(", set_config('app.x', 'b', true)", 256): "",
	} {
		if got := spell(c.Judge([]byte(text)).Locals); got != want {
			t.Errorf("%.200s: got %s, want %s", text, got, want)
		}
	}
}

func TestJudge_TellsWhetherATextOnlySetsParameters(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"select set_config('app.x', null, true); reset role":                  true,
		"select set_config('app.x', null, true); set role b":                  true,
		"set local role b; reset all":                                         true,
		"reset role; select set_config('app.x', null, true)":                  false,
		"set local role b; select set_config('app.x', null, true)":            false,
		"set local role b; select 1":                                          false,
		"set local role b; commit":                                            false,
		"set local role b; set constraints all immediate":                     false,
		"select set_config('app.x', null, true), f()":                         false,
		"select set_config('search_path', 'a' || 'b', true); set local a = 1": false,
	} {
		if got := c.Judge([]byte(text)).OnlySets; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestJudge_TellsWhetherNamesAreOthersMidwayInAText(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"reset search_path; insert into t values (1)":           true,
		"reset all; select 1":                                   true,
		"set search_path to default; select 1":                  true,
		"set session role to default; select 1":                 true,
		"select 1; reset role; select 1":                        true,
		"reset search_path":                                     false,
		"select pg_advisory_unlock_all(); close all; reset all": false,
		"reset work_mem; select 1":                              false,
		"set work_mem to default; select 1":                     false,
	} {
		if got := c.Judge([]byte(text)).Renamed; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestJudge_TellsWhatMayLeaveATransactionBlock(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"commit": true, "end": true, "rollback": true, "abort work": true, "rollback to s": true, "rollback to savepoint s": true, "prepare transaction 'x'": true,
		"commit and chain": true, "select 1; rollback to s; select 2": true, "bogus; commit": true,
		"begin": false, "savepoint s": false, "release s": false, "select 1": false, "prepare x as select 1": false, "set local role b": false,
	} {
		if got := c.Judge([]byte(text)).Session.Has(Leaves); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestPlainPath_SpellsWhatMeansTheSameInOneWay(t *testing.T) {
	for path, want := range map[string]string{
		`"app", "public"`: "app, public", "App,public": "app, public", ` "App" , x`: `"App", x`, `"$user", public`: `"$user", public`, "$user": `"$user"`,
		"": "", "  ": "", "a,": "", `""`: "", `"a`: "", "ä": "", strings.Repeat("x", 64): "",
	} {
		got, ok := PlainPath(path)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
		if again, _ := PlainPath(got); ok && again != got {
			t.Errorf("%s: once more it is %s", got, again)
		}
	}
}
