package classify

import "testing"

func TestJudge_TellsWhatChangesTheMeaningOfNamesForTheTransaction(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]bool{
		"set local search_path = b":                         true,
		"SET LOCAL Search_Path TO b":                        true,
		"set local schema 'b'":                              true,
		"set local role b":                                  true,
		"set local session authorization b":                 true,
		"set local row_security = off":                      true,
		"set local app.tenant = '1'":                        false,
		"set local work_mem = '1MB'":                        false,
		"set local time zone 'UTC'":                         false,
		"select set_config('search_path', 'b', true)":       true,
		"select set_config('ROLE', 'b', true)":              true,
		"select set_config('app.tenant', '1', true)":        false,
		"select set_config($1, '1', true)":                  true,
		"select set_config(E'r\\x6fle', '1', true)":         true,
		"select set_config('search' || '_path', '1', true)": true,
		"begin": false,
	} {
		if got := c.Judge([]byte(text)).Session.Has(Renames); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
