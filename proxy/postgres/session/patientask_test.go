package session

import (
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// What a real server answers to a question that is asked patiently: the session's own statement_timeout first, whether it was set, and
// nothing for taking it away.
func TestSettings_AskedPatientlyAreTheSessionsOwnOnPostgres(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	for sql, want := range map[string][]string{
		"select 1":                     {"0", `"$user", public`},
		"set statement_timeout = 5000": {"5s", "statement_timeout=5s", `"$user", public`},
		"set statement_timeout = 5000; set search_path to b": {"5s", "statement_timeout=5s", "b", "search_path=b"},
	} {
		w := pg.Dial("postgres")
		if _, err := w.Ask(proxytest.Query(sql)); err != nil {
			t.Fatal(err)
		}
		q := &inquiry{all: true}
		b, names := q.appendPatience(nil, []string{statementTimeout, "search_path"}, true)
		b = append(append(appendAsks(b, names), parseAskOthers...), askAllRun...)
		answer, err := w.Ask(pgwire.AppendEmpty(b, pgwire.Sync))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range answer {
			if m.Type != pgwire.DataRow {
				continue
			}
			values, err := pgwire.SplitDataRow(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			var row []string
			for _, v := range values {
				row = append(row, string(v))
			}
			got = append(got, strings.Join(row, "="))
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %q: got %q, want %q", sql, got, want)
		}
	}
}
