package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest/rig"
)

// unwilling are the parameters that the test leaves alone, each for a reason that has nothing to do with a pool.
var unwilling = map[string]string{
	"exit_on_error":                 "an error ends the session",
	"seed":                          "cannot be read",
	"temp_buffers":                  "pins",
	"session_authorization":         "pins",
	"role":                          "is not the same for all who may SET it back",
	"ignore_system_indexes":         "makes everything slow",
	"log_min_messages":              "fills the log",
	"log_min_error_statement":       "fills the log",
	"client_min_messages":           "makes notices",
	"debug_print_parse":             "fills the log",
	"debug_print_plan":              "fills the log",
	"debug_print_rewritten":         "fills the log",
	"log_statement":                 "fills the log",
	"log_parser_stats":              "fills the log",
	"log_planner_stats":             "fills the log",
	"log_executor_stats":            "fills the log",
	"log_statement_stats":           "excludes the three before it",
	"jit":                           "compiles every statement where another parameter has made it dear, and so makes everything slow",
	"debug_discard_caches":          "makes everything slow",
	"wal_consistency_checking":      "makes everything slow",
	"transaction_isolation":         "is of the transaction",
	"transaction_read_only":         "is of the transaction",
	"transaction_deferrable":        "is of the transaction",
	"default_transaction_read_only": "forbids DISCARD ALL's kin nothing, but its value is read in a transaction that has it",
	"tcp_keepalives_idle":           "is of the socket to the server",
	"tcp_keepalives_interval":       "is of the socket to the server",
	"tcp_keepalives_count":          "is of the socket to the server",
	"tcp_user_timeout":              "is of the socket to the server",
}

// A disputed parameter is one on which two clients disagree.
type disputed struct{ name, one, other string }

// disputedParameters returns what a session may set, with two values for each.
func disputedParameters(t *testing.T, direct *pgconn.PgConn) (all []disputed) {
	t.Helper()
	rows, err := direct.Exec(t.Context(), `select name, vartype, reset_val, coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), '')
		from pg_settings where context in ('user', 'superuser') order by name`).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[0].Rows {
		p := disputed{name: string(r[0])}
		if unwilling[p.name] != "" {
			continue
		}
		switch string(r[1]) {
		case "bool":
			p.one, p.other = "on", "off"
		case "enum":
			if values := strings.Split(string(r[5]), ","); len(values) > 1 {
				p.one, p.other = values[0], values[len(values)-1]
			}
		case "integer":
			p.one, p.other = near(string(r[2]), string(r[3]), string(r[4]))
		case "real":
			p.one, p.other = string(r[4]), string(r[3])
		case "string":
			if values, ok := spelledOut[p.name]; ok {
				p.one, p.other = values[0], values[1]
			}
		}
		if p.one != "" && p.one != p.other && settable(t, direct, p) {
			all = append(all, p)
		}
	}
	return append(all, disputed{"my.own", "mine", "yours"}, disputed{"My.Other", "ä", "'\\"})
}

// spelledOut are values of parameters that take words.
var spelledOut = map[string][2]string{
	"DateStyle": {"German, DMY", "SQL, MDY"}, "TimeZone": {"Asia/Tokyo", "Europe/Berlin"}, "application_name": {"one", "the other"},
	"search_path": {"public, pg_catalog", `"$user", public`}, "default_text_search_config": {"pg_catalog.german", "pg_catalog.simple"},
	"lc_messages": {"C", "C.UTF-8"}, "lc_monetary": {"C", "C.UTF-8"}, "lc_numeric": {"C", "C.UTF-8"}, "lc_time": {"C", "C.UTF-8"},
	"timezone_abbreviations": {"Default", "India"}, "client_encoding": {"UTF8", "LATIN1"}, "default_tablespace": {"", "pg_default"},
}

// near returns two values beside the usual one of an integer, in its range and far from values that mean at once.
func near(usual, least, most string) (one, other string) {
	u, _ := strconv.ParseInt(usual, 10, 64)
	lo, _ := strconv.ParseInt(least, 10, 64)
	hi, _ := strconv.ParseInt(most, 10, 64)
	if u <= 0 && hi > 200_000 { // a limit that is off: milliseconds, perhaps
		return "100000", "200000"
	}
	return strconv.FormatInt(min(u+1, hi), 10), strconv.FormatInt(max(u-1, lo), 10)
}

// settable says whether the server takes both values.
func settable(t *testing.T, direct *pgconn.PgConn, p disputed) bool {
	for _, value := range []string{p.one, p.other} {
		if _, err := rig.Try(t.Context(), direct, set(p.name, value)); err != nil {
			return false
		}
	}
	rig.Ask(t, direct, "reset all")
	return true
}

func set(name, value string) string {
	return "set " + name + " to '" + strings.ReplaceAll(value, "'", "''") + "'"
}

// Two clients disagree on every parameter that a session may set, on one server in turn: each reads at any moment what a server
// connection of its own would have, and nothing of the other's. OVERDRIVE_DISAGREE is the number of transactions (100).
func TestSettings_TwoWhoDisagreeOnEverythingReadTheirOwn(t *testing.T) {
	t.Parallel()
	transactions := 100
	if text := os.Getenv("OVERDRIVE_DISAGREE"); text != "" {
		transactions, _ = strconv.Atoi(text)
	}
	pg := rig.NewDatabase(t, "disagree", "alter database disagree set jit = off; create table t(a int); create function sets(name text, value text) returns text language sql as $$ select set_config(name, value, false) $$")
	for _, c := range []struct {
		size    int
		caching bool
	}{{1, true}, {1, false}, {2, true}} {
		t.Run(fmt.Sprintf("size %d, cache %v", c.size, c.caching), func(t *testing.T) {
			disagree(t, rig.Setup{Upstream: pg.Addr(), Database: "disagree", Size: c.size, Caching: c.caching}, transactions)
		})
	}
}

// disagree has two clients do so.
func disagree(t *testing.T, setup rig.Setup, transactions int) {
	in := rig.Start(t, setup)
	var turns sync.WaitGroup
	for i := range 2 {
		direct, err := pgconn.Connect(t.Context(), "postgres://postgres@"+setup.Upstream+"/disagree?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		d := &dissenter{through: in.Connect(t, "disagree"), direct: direct, which: i, r: rand.New(rand.NewPCG(11, uint64(i)))}
		if d.functions = setup.Size > 1; d.functions { // what they set is asked for where a catalog is known, for which there is a server to spare
			rig.Prime(t, d.through, "select 1 from t")
		}
		d.parameters = disputedParameters(t, direct)
		if len(d.parameters) < 100 {
			t.Fatalf("only %d parameters are disputed", len(d.parameters))
		}
		turns.Go(func() {
			defer direct.Close(t.Context())
			for range transactions {
				if d.transaction(t); t.Failed() {
					return
				}
			}
		})
	}
	turns.Wait()
}

// A dissenter says the same through the proxy and to a server of its own.
type dissenter struct {
	through, direct *pgconn.PgConn
	parameters      []disputed
	which           int
	functions       bool
	r               *rand.Rand
	said            []string
}

// transaction sets something, in one of the ways there are, and reads what has come of it.
func (d *dissenter) transaction(t *testing.T) {
	p := d.parameters[d.r.IntN(len(d.parameters))]
	value := p.one
	if d.which == 1 {
		value = p.other
	}
	sets := set(p.name, value)
	quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
	switch d.r.IntN(14) {
	case 0:
		d.say(t, "begin", sets, "rollback")
	case 1:
		d.say(t, "begin", sets, "commit")
	case 2:
		d.say(t, "begin", "savepoint a", sets, "rollback to a", "commit")
	case 3:
		d.say(t, "begin", "savepoint a", sets, "release a", "commit")
	case 4:
		d.say(t, "begin", strings.Replace(sets, "set ", "set local ", 1), "commit")
	case 5:
		d.say(t, "reset "+p.name)
	case 6:
		d.say(t, fmt.Sprintf("select set_config('%s', %s, false)", p.name, quoted))
	case 7:
		d.say(t, fmt.Sprintf("select set_config('%s', %s, true)", p.name, quoted))
	case 8:
		if d.functions {
			d.say(t, fmt.Sprintf("select sets('%s', %s)", p.name, quoted))
		}
	case 9:
		d.say(t, "begin", "reset "+p.name, "rollback")
	case 10:
		if d.r.IntN(10) == 0 {
			d.say(t, []string{"reset all", "discard all"}[d.r.IntN(2)])
		}
	case 11:
		d.say(t, "begin", sets, "select 1/0", "rollback")
	default:
		d.say(t, sets)
	}
	d.compare(t, p.name)
	d.compare(t, d.parameters[d.r.IntN(len(d.parameters))].name)
}

// say sends statements to both. What one refuses the other must refuse.
func (d *dissenter) say(t *testing.T, statements ...string) {
	for _, sql := range statements {
		d.said = append(d.said, sql)
		_, a := rig.Try(t.Context(), d.through, sql)
		_, b := rig.Try(t.Context(), d.direct, sql)
		if rig.State(a) != rig.State(b) || (a == nil) != (b == nil) {
			t.Errorf("%s: %v through the proxy, %v straight", sql, a, b)
		}
	}
}

// compare reads a parameter from both. One of the user's own that was never set is NULL straight, and may be empty through the proxy. The
// server itself writes the name of a text search configuration, with quotes if quote_all_identifiers is on when it is set.
func (d *dissenter) compare(t *testing.T, name string) {
	question := "select coalesce(current_setting('" + name + "', true), '')"
	if name == "default_text_search_config" {
		question = "select replace(current_setting('" + name + "'), '\"', '')"
	}
	got, err := rig.Try(t.Context(), d.through, question)
	want := rig.Ask(t, d.direct, question)
	if err != nil || got != want {
		t.Errorf("client %d reads %s = %q, %v; want %q. It has said %q", d.which, name, got, err, want, d.said[max(0, len(d.said)-12):])
	}
}
