package checklist_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// A harmless statement is a SELECT of an ordinary application, with values for its parameters.
type harmless struct {
	sql    string
	params []string
}

// TestHarmless_ReadsOfOrdinaryApplicationsAreServed asks each statement twice, in a database that has all the extensions which the server
// comes with. What is not served is named with the reason, and must be known.
func TestHarmless_ReadsOfOrdinaryApplicationsAreServed(t *testing.T) {
	t.Parallel()
	f := startWriter(t, "checklist_harmless", harmlessSchema)
	asked, served := 0, 0
	for _, part := range harmlessStatements {
		if part.needs != "" && !f.hasExtension(t, part.needs) {
			t.Logf("%d statements are left out: the server has no extension %s", len(part.statements), part.needs)
			continue
		}
		for _, one := range part.statements {
			asked++
			if f.served(t, part, one) {
				served++
			}
		}
	}
	t.Logf("%d of %d are served", served, asked)
	if served*150 < asked*140 {
		t.Errorf("%d of %d harmless statements are served: too few", served, asked)
	}
}

// hasExtension makes the extension with its tables, and reports whether the server has it.
func (f *writerBench) hasExtension(t *testing.T, name string) bool {
	t.Helper()
	if rig.Ask(t, f.real, "select 1 from pg_available_extensions where name = '"+name+"'") == "" {
		return false
	}
	rig.Ask(t, f.writer, `create extension "`+name+`"; `+harmlessExtensions[name])
	return true
}

// served reports whether the second answer to a statement comes from the cache in every form. It logs what does not, and fails the test where that
// is not known.
func (f *writerBench) served(t *testing.T, part harmlessPart, one harmless) bool {
	t.Helper()
	forms := map[string]rig.Asker{"extended": func(tb testing.TB, c *pgconn.PgConn, sql string) (string, error) {
		return askWith(tb, c, sql, one.params)
	}}
	if len(one.params) == 0 {
		forms["simple"] = rig.Askers["simple"]
	}
	for form, ask := range forms {
		var word string
		rig.Await(t, one.sql+" to be settled", func() bool {
			_, err := ask(t, f.reader, one.sql)
			if err != nil {
				t.Errorf("%s: %v", one.sql, err)
				return true
			}
			word = rig.Status(t, f.reader)
			return word != "unsettled" && word != "coalesced" && word != "miss"
		})
		if word == "hit" {
			continue
		}
		_, _ = ask(t, f.reader, one.sql)
		t.Logf("%-10s %-10s %-11s %s: %s", part.name, form, word, one.sql, rig.Ask(t, f.reader, "show overdrive.reason"))
		if !part.refused[one.sql] {
			t.Errorf("%s is not served, and not known to be refused", one.sql)
		}
		return false
	}
	if part.refused[one.sql] {
		t.Errorf("%s is served: it is no longer one that is refused", one.sql)
	}
	return true
}

// askWith asks by the extended protocol with parameters in text format, whose types are left to the server.
func askWith(tb testing.TB, c *pgconn.PgConn, sql string, params []string) (string, error) {
	tb.Helper()
	var values [][]byte
	for _, p := range params {
		values = append(values, []byte(p))
	}
	r := c.ExecParams(tb.Context(), sql, values, nil, nil, nil).Read()
	return strings.TrimSpace(fmt.Sprint(r.CommandTag)), r.Err
}
