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
