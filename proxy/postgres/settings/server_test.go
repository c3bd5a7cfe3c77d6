package settings_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/proxytest"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }

// reportedSince are the versions from which servers report parameters that they had before.
var reportedSince = map[string]int{"default_transaction_read_only": 14, "search_path": 18}

// A row is what the server says of one parameter.
type row struct {
	context string // of pg_settings, empty if it does not show the parameter
	flags   string // of pg_settings_get_flags, with spaces around each; empty before version 15
	exists  bool
}

// ask returns the version of the server, what it says of the parameters of the table, and which it reports.
func ask(t *testing.T) (version int, rows map[string]row, reported map[string]bool) {
	w := proxytest.SharedPostgres(t).Dial("postgres")
	reported = make(map[string]bool)
	for _, m := range w.Startup {
		if m.Type == 'S' {
			name, _, _ := strings.Cut(string(m.Body), "\x00")
			reported[name] = true
		}
	}
	number, err := strconv.Atoi(query(t, w, "SHOW server_version_num")[0][0])
	if err != nil {
		t.Fatal(err)
	}
	version = number / 10000
	flags := "''"
	if version >= 15 {
		flags = "coalesce(' ' || array_to_string(pg_settings_get_flags(n), ' ') || ' ', '')"
	}
	var names []string
	for _, p := range settings.Parameters() {
		names = append(names, "'"+p.Name+"'")
	}
	rows = make(map[string]row)
	for _, r := range query(t, w, "SELECT n, coalesce(s.context, ''), "+flags+", current_setting(n, true) IS NOT NULL FROM unnest(ARRAY["+
		strings.Join(names, ", ")+"]) n LEFT JOIN pg_settings s ON s.name = n") {
		rows[r[0]] = row{r[1], r[2], r[3] == "t"}
	}
	return version, rows, reported
}

// query returns the rows of a statement.
func query(t *testing.T, w *proxytest.Wire, sql string) (rows [][]string) {
	t.Helper()
	if err := w.Send(proxytest.Query(sql)); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := w.Receive()
		switch {
		case err != nil:
			t.Fatal(err)
		case m.Type == 'E':
			t.Fatalf("%s: %s", sql, m)
		case m.Type == 'Z':
			return rows
		case m.Type == 'D':
			values, err := pgwire.SplitDataRow(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, v := range values {
				texts = append(texts, string(v))
			}
			rows = append(rows, texts)
		}
	}
}

// The table says of each parameter what the server says.
func TestParameters_AreThoseOfTheServerOnPostgres(t *testing.T) {
	version, rows, reported := ask(t)
	known := make(map[string]bool)
	for _, p := range settings.Parameters() {
		known[p.Name] = true
		has := func(t settings.Trait) bool { return p.Traits&t != 0 }
		r := rows[p.Name]
		if exists := version >= p.Since; r.exists != exists {
			t.Errorf("%s exists: %v, for the table %v", p.Name, r.exists, exists)
		}
		if !r.exists {
			continue
		}
		if tells := has(settings.Reported) && version >= reportedSince[p.Name] || p.Name == "search_path" && version >= 18; reported[p.Name] != tells {
			t.Errorf("%s is reported: %v, for the table %v", p.Name, reported[p.Name], tells)
		}
		if hidden := r.context == ""; hidden != has(settings.Hidden) {
			t.Errorf("%s is hidden from pg_settings: %v, for the table %v", p.Name, hidden, has(settings.Hidden))
		}
		fixed := r.context == "internal"
		if !has(settings.Hidden) && fixed != has(settings.Fixed) {
			t.Errorf("%s has context %s; it is fixed for the table: %v", p.Name, r.context, has(settings.Fixed))
		}
		if has(settings.Stuck|settings.Silent|settings.Names|settings.Recodes|settings.Transient) && !has(settings.Fixed|settings.Hidden) &&
			r.context != "user" && r.context != "superuser" {
			t.Errorf("%s has context %s, so no session sets it", p.Name, r.context)
		}
		if r.flags != "" {
			if stays := strings.Contains(r.flags, " NO_RESET_ALL "); stays != has(settings.Stays) {
				t.Errorf("RESET ALL leaves %s alone: %v, for the table %v", p.Name, stays, has(settings.Stays))
			}
		}
	}
	for name := range reported {
		if !known[name] {
			t.Errorf("the server reports %s, of which the table has no line", name)
		}
	}
}

// A client can SET what is not fixed, and of what is fixed only the session's own authorization.
func TestParameters_ThoseThatAreNotFixedCanBeSetOnPostgres(t *testing.T) {
	version, _, _ := ask(t)
	w := proxytest.SharedPostgres(t).Dial("postgres")
	for _, p := range settings.Parameters() {
		if version < p.Since {
			continue
		}
		value := query(t, w, "SHOW "+p.Name)[0][0]
		if p.Name == "seed" { // of which SHOW says that it is unavailable
			value = "0.5"
		}
		if err := w.Send(proxytest.Query("SET " + p.Name + " TO '" + strings.ReplaceAll(value, "'", "''") + "'")); err != nil {
			t.Fatal(err)
		}
		refused := false
		for {
			m, err := w.Receive()
			if err != nil {
				t.Fatal(err)
			}
			refused = refused || m.Type == 'E'
			if m.Type == 'Z' {
				break
			}
		}
		if fixed := !settings.Settable(p.Name) && p.Name != "session_authorization"; refused != fixed {
			t.Errorf("%s: the server refuses to set it: %v, want %v", p.Name, refused, fixed)
		}
	}
}
