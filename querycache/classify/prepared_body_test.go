package classify

import "testing"

func TestPreparedBody_IsWhatStandsBehindAs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"prepare p as select 1": " select 1",
		"/* so */ PREPARE \"as\" (int, numeric(10, 2)) AS select $1;": " select $1;",
		"prepare p(text) as/**/select ';' || $1 ; ;":                  "/**/select ';' || $1 ; ;",
		"prepare p as values (1)":                                     " values (1)",
		"prepare p as":                                                "",
	} {
		if body, ok := PreparedBody([]byte(text)); !ok || string(body) != want {
			t.Errorf("%s: %q, %v", text, body, ok)
		}
	}
	for _, text := range []string{
		"", "prepare", "prepare p", "prepare p (", "prepare p (int", "prepare p (int) select", "prepare transaction 'x'",
		"prepare p as select 1; select 2", "begin; prepare p as select 1", "execute p", "prepare p as select /* open",
	} {
		if body, ok := PreparedBody([]byte(text)); ok {
			t.Errorf("%s: %q", text, body)
		}
	}
}
