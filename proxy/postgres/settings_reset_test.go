package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// RESET within a transaction, beside SET and SET LOCAL: what is read at each point, and afterwards, is what PostgreSQL says.
func TestSettings_ResetInATransactionTouchesNothingElse(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_in_tx", "create schema s1; create schema s2; create table s1.w(a int); create table s2.w(a int); create table t(a int)")
	for _, caching := range []bool{true, false} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_in_tx", Size: 2, Caching: caching})
		for _, startup := range []map[string]string{nil, {"work_mem": "9MB"}, {"DateStyle": "SQL, DMY", "app.tenant": "s0"}} {
			for _, steps := range [][]string{
				{"set work_mem = '1MB'", "begin", "reset work_mem", "set work_mem = '2MB'", "select 1", "commit"},
				{"set work_mem = '1MB'", "begin", "reset all", "set work_mem = '2MB'", "select 1", "commit"},
				{"set work_mem = '1MB'", "begin", "reset work_mem", "select set_config('work_mem', '2MB', false)", "commit"},
				{"begin", "reset all", "set app.tenant = 's2'", "select 1", "commit"},
				{"set statement_timeout = '7s'", "begin", "reset all", "set local statement_timeout = 1000", "select 1", "commit"},
				{"set app.tenant = '1'", "set enable_seqscan = off", "begin", "set local app.tenant = '2'", "reset enable_seqscan", "select 1", "commit"},
				{"set search_path = s1", "set work_mem = '1MB'", "begin", "set local search_path = s2", "reset work_mem", "select 1", "insert into w values (1)", "commit"},
				{"set search_path = s1", "set work_mem = '1MB'", "begin", "set search_path = s2", "set work_mem to default", "select 1", "commit"},
				{"set app.tenant = '1'", "begin", "savepoint a", "reset app.tenant", "rollback to a", "select 1", "commit"},
				{"set work_mem = '1MB'", "begin", "savepoint a", "reset all", "rollback to a", "select 1", "commit"},
				{"set work_mem = '1MB'", "begin", "reset work_mem", "rollback and chain", "select 1", "commit"},
				{"set datestyle = 'ISO, YMD'", "begin", "reset datestyle", "select 1", "rollback"},
				{"set datestyle = 'ISO, YMD'", "begin", "reset datestyle", "select 1", "commit"},
			} {
				through := in.Connect(t, "reset_in_tx", func(c *pgconn.Config) { c.RuntimeParams = startup })
				config, err := pgconn.ParseConfig("postgres://postgres@" + pg.Addr() + "/reset_in_tx?sslmode=disable")
				if err != nil {
					t.Fatal(err)
				}
				config.RuntimeParams = startup
				direct, err := pgconn.ConnectConfig(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				for i, sql := range append(steps, "select 2") {
					rig.Ask(t, through, sql)
					rig.Ask(t, direct, sql)
					for _, name := range []string{"work_mem", "app.tenant", "statement_timeout", "enable_seqscan", "search_path", "datestyle"} {
						question := "select coalesce(current_setting('" + name + "', true), '')"
						if got, want := rig.Ask(t, through, question), rig.Ask(t, direct, question); got != want {
							t.Fatalf("startup %v, %q: after step %d %s is %q, want %q", startup, steps, i+1, name, got, want)
						}
					}
				}
				rig.CloseConn(through)
				rig.CloseConn(direct)
			}
		}
	}
	if got := rig.Ask(t, rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_in_tx", Size: 1}).Connect(t, "reset_in_tx"), "select count(*) from s1.w"); got != "0" {
		t.Errorf("%s rows are in the table of the other search_path", got)
	}
}

// What brings a parameter back brings it back to the client's startup packet, whatever stands beside it and must be asked for.
func TestSettings_ResetReturnsToTheStartupPacketBesideWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_asked", `create schema own; create schema usual;
		create table own.acc(here text default 'own'); create table usual.acc(here text default 'usual');
		alter database reset_asked set search_path = usual`)
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_asked", Size: 2, Caching: caching})
		for _, sql := range []string{
			"reset search_path; select current_setting('x.y', true)", "select current_setting('x.y', true); reset search_path",
			"reset all; select set_config('f.q', 'x', false)", "set search_path to default; select current_setting('work_mem')",
			"select set_config('search_path', null, false)", "do $$ begin reset search_path; end $$", "begin; reset search_path; commit; select 1",
		} {
			c := in.Connect(t, "reset_asked", func(config *pgconn.Config) { config.RuntimeParams["search_path"] = "own" })
			rig.Ask(t, c, sql)
			for range 2 {
				if got := rig.Ask(t, c, "insert into acc default values returning here"); got != "own" {
					t.Errorf("cache %v, %s: then the table is that of %q", caching, sql, got)
				}
			}
			rig.CloseConn(c)
		}
	}
}

// beliefs are what a client has been told of parameters.
type beliefs map[string]string

// after shows an answer, and what the client believes behind it: the server's own value may come ahead of that of the startup packet.
func (b beliefs) after(answer []proxytest.Message) string {
	var rest []proxytest.Message
	for _, m := range answer {
		if m.Type == 'S' {
			name, value, _ := strings.Cut(string(m.Body), "\x00")
			b[name] = value
			continue
		}
		rest = append(rest, m)
	}
	return fmt.Sprintf("%q, believing %s %s %s", rig.BytesOf(rest), b["TimeZone"], b["DateStyle"], b["client_encoding"])
}

// believers logs a client of the proxy and one of the server itself in, and returns what shows the answer to a text that each is given, and what
// each believes behind it.
func believers(t *testing.T, in *rig.Instance, pg *proxytest.Postgres, login proxytest.Login) (ask func(sql string) (got, want string)) {
	t.Helper()
	say := believersOf(t, in, pg, login)
	return func(sql string) (got, want string) { return say(proxytest.Query(sql)) }
}

// believersOf is believers for messages of any kind.
func believersOf(t *testing.T, in *rig.Instance, pg *proxytest.Postgres, login proxytest.Login) (say func(messages ...[]byte) (got, want string)) {
	t.Helper()
	through := in.Dial(t, login)
	direct, err := proxytest.Dial(t.Context(), pg.Addr(), login)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	here, there := beliefs{}, beliefs{}
	here.after(through.Startup)
	there.after(direct.Startup)
	return func(messages ...[]byte) (got, want string) {
		return here.after(rig.Converse(t, through, messages...)), there.after(rig.Converse(t, direct, messages...))
	}
}

// Who resets a parameter is told with the answer to that what it has come to, in whatever encoding it speaks.
func TestSettings_ResetIsToldWithItsAnswer(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_told", "select")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_told", Size: 2})
	for _, encoding := range []string{"UTF8", "LATIN1", "EUC_JP"} {
		login := proxytest.Login{User: "postgres", Database: "reset_told", Params: map[string]string{
			"client_encoding": encoding, "options": "-c timezone=Asia/Tokyo -c datestyle=German"}}
		ask := believers(t, in, pg, login)
		for _, sql := range []string{
			"set timezone = 'UTC'", "reset timezone", "set timezone = 'UTC'; set datestyle = 'ISO'", "reset all", "show timezone",
			"set client_encoding = 'LATIN2'", "set timezone = 'UTC'", "reset timezone", "reset client_encoding", "set client_encoding = 'EUC_JP'; set timezone = 'UTC'",
			"reset all", "set timezone = 'UTC'", "set timezone to default", "set client_encoding = 'LATIN1'", "set timezone = 'UTC'; set datestyle = 'SQL'", "discard all", "select 1",
			"set timezone = 'UTC'", "begin; reset timezone; commit", "set timezone = 'UTC'", "reset timezone; set datestyle = 'ISO'", "begin", "set timezone = 'UTC'", "commit",
			"reset datestyle", "reset timezone; set timezone = 'Europe/Berlin'",
		} {
			if got, want := ask(sql); got != want {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", encoding, sql, got, want)
			}
		}
	}
}

// Under standard_conforming_strings = off a text without a backslash is read as it stands: it is answered from the cache, and what is for the
// proxy does not reach a server.
func TestSettings_TextsWithoutABackslashAreReadUnderAnySetting(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_plain", "create table t (a text); insert into t values ('x')")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_plain", Size: 2, Caching: true})
	for _, ask := range rig.Askers {
		c := in.Connect(t, "reset_plain")
		rig.Ask(t, c, "set standard_conforming_strings = off; set escape_string_warning = off")
		rig.Await(t, "a hit", func() bool {
			_, err := ask(t, c, "select a, 'it''s' from t")
			return err == nil && rig.Status(t, c) == "hit"
		})
		rig.Ask(t, c, "begin")
		for _, sql := range []string{"show overdrive.status", "set overdrive.cache = off", "set local overdrive.cache = on", "select 1"} {
			if _, err := ask(t, c, sql); err != nil {
				t.Errorf("in a transaction, %s: %v", sql, err)
			}
		}
		rig.Ask(t, c, "commit")
		rig.Ask(t, c, "set overdrive.cache = on")
		for _, sql := range []string{`select a, e'\\' from t`, `select a, '\'x' from t`, "select a, u&'x' from t"} {
			_, err := ask(t, c, sql)
			if word := rig.Status(t, c); word != "uncacheable" {
				t.Errorf("%s is %s (%v)", sql, word, err)
			}
		}
		rig.CloseConn(c) // such a text pins
	}
}

// What stands behind a RESET in the same text runs under the client's own values, and nothing else of the answer is another one.
func TestSettings_WhatStandsBehindAResetRunsUnderTheStartupPacket(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "reset_behind", `create schema own; create table own.t (a float8, d date, z timestamptz);
		insert into own.t values (0.1::float8 + 0.2, '2020-01-02', '2020-01-02 03:04:05+00');
		create function own.sets() returns text language sql as $$ select set_config('work_mem', '5MB', false) $$`)
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "reset_behind", Size: 2, Caching: caching})
		for _, encoding := range []string{"UTF8", "LATIN1"} {
			login := proxytest.Login{User: "postgres", Database: "reset_behind", Params: map[string]string{"client_encoding": encoding, "search_path": `own, "$user"`,
				"options": "-c timezone=Asia/Tokyo -c datestyle=German -c extra_float_digits=-5 -c app.tenant=seven"}}
			ask := believers(t, in, pg, login)
			const away = "set timezone = 'UTC'; set datestyle = iso; set extra_float_digits = 1; set search_path = own; set app.tenant = 'x'"
			const look = "select a, d, z, current_setting('app.tenant'), current_setting('search_path'), current_setting('client_encoding') from t"
			for _, sql := range []string{
				`reset "TimeZone"; reset "DateStyle"; ` + look, "reset timezone; reset datestyle; " + look, "reset all; " + look, "set search_path to default;;" + look, "reset extra_float_digits; reset app.tenant; " + look + "; " + look,
				"reset all; set timezone = 'UTC'; " + look + "; reset all", "select 1; reset timezone; " + look + "; select 1/0", "reset timezone; select nonsense, 'ä'", "select 'ä'; reset datestyle; select none from t",
				"reset timezone; selec", "begin; reset datestyle; " + look + "; rollback", "begin; " + look + "; commit; reset all; " + look, "set time zone local; set names; " + look,
				"reset datestyle; set transaction isolation level serializable; " + look, "reset datestyle; copy t to stdout; reset timezone; copy t to stdout",
				"reset all; select sets(), current_setting('app.tenant')", "reset app.tenant; select sets(); " + look,
			} {
				for i, step := range []string{away, sql, look, "discard all"} {
					if got, want := ask(step); i > 0 && got != want {
						t.Errorf("cache %v, %s, %s, then %s:\ngot  %s\nwant %s", caching, encoding, sql, step, got, want)
					}
				}
			}
		}
	}
}

// So it does in one batch of the extended protocol, whose statements have names or none.
func TestSettings_WhatIsSentBehindAResetRunsUnderTheStartupPacket(t *testing.T) {
	t.Parallel()
	const name = "reset_in_batch"
	pg := rig.NewDatabase(t, name, `create schema own; create table own.t (a float8, d date, z timestamptz);
		insert into own.t values (0.1::float8 + 0.2, '2020-01-02', '2020-01-02 03:04:05+00')`)
	const look = "select a, d, z, current_setting('app.tenant'), current_setting('search_path') from t"
	batch := func(name string, texts ...string) (messages [][]byte) {
		for i, text := range texts {
			statement := name
			if name != "" {
				statement = fmt.Sprint(name, i)
			}
			messages = append(messages, proxytest.Parse(statement, text), proxytest.Bind("", statement, nil, nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0))
		}
		return append(messages, proxytest.Sync())
	}
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: name, Size: 2, Caching: caching})
		for i, texts := range [][]string{
			{"reset timezone", look}, {"reset datestyle", look, "reset timezone", look}, {"reset all", look}, {"set search_path to default", look, look},
			{"reset timezone", "reset datestyle", look}, {"reset extra_float_digits", "set timezone = 'UTC'", look}, {"reset timezone", "select nonsense", look},
			{look, "reset timezone"}, {"reset timezone", "begin", look, "commit"}, {"begin", "reset datestyle", look, "rollback"}, {"reset app.tenant", look},
			{"reset timezone", "show timezone"}, {"reset timezone"}, {"reset all", "set timezone = 'UTC'", look, "reset timezone", look, "select 1/0"},
		} {
			for _, named := range []string{"", "s"} {
				say := believersOf(t, in, pg, proxytest.Login{User: "postgres", Database: name, Params: map[string]string{"search_path": `own, "$user"`,
					"options": "-c timezone=Asia/Tokyo -c datestyle=German -c extra_float_digits=-5 -c app.tenant=seven"}})
				say(proxytest.Query("set timezone = 'UTC'; set datestyle = iso; set extra_float_digits = 1; set search_path = own; set app.tenant = 'x'"))
				say(proxytest.Parse("kept", look), proxytest.Sync())
				for step, messages := range [][][]byte{
					batch(named, texts...), batch("", look), {proxytest.Bind("", "kept", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
					append(batch("", texts...)[:4*len(texts)], proxytest.Bind("", "kept", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
					append(batch("", texts...)[:4*len(texts)], proxytest.Query(look)),
					// The RESET in a portal with a name; a portal that is bound ahead of it and run behind; one that is run twice.
					{proxytest.Parse("r", texts[0]), proxytest.Bind("p", "r", nil, nil, nil), proxytest.Execute("p", 0), proxytest.Bind("", "kept", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
					{proxytest.Bind("p", "kept", nil, nil, nil), proxytest.Bind("", "r", nil, nil, nil), proxytest.Execute("", 0), proxytest.Execute("p", 0), proxytest.Sync()},
					{proxytest.Bind("", "r", nil, nil, nil), proxytest.Execute("", 0), proxytest.Parse("", look), proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync()},
					{proxytest.Query("rollback")}, batch("", "deallocate all"), batch("", texts...), {proxytest.Query(look)},
				} {
					if step == 4 && (slices.Contains(texts, "select nonsense") || slices.Contains(texts, "select 1/0")) {
						continue // what comes behind the error is skipped, a Query, too
					}
					if got, want := say(messages...); got != want {
						t.Errorf("cache %v, batch %d (%q, %q), step %d:\ngot  %s\nwant %s", caching, i, named, texts, step, got, want)
					}
				}
			}
		}
	}
}

// What the server has not let a client set does not follow it: the session goes on, with what it has set before.
func TestSettings_ASetThatWasRefusedDoesNotFollow(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "refused", "create table t (a int)")
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "refused", Size: 1, Caching: caching})
		for _, sql := range []string{"set log_statement = 'all'", "select set_config('log_statement', 'all', false)", "begin; set log_statement = 'none'; commit", "set work_mem = 'much'"} {
			c, other := in.Connect(t, "refused"), in.Connect(t, "refused")
			rig.Ask(t, c, "set role pg_read_all_data; set work_mem = '5MB'")
			if _, err := rig.Try(t.Context(), c, sql); err == nil {
				t.Errorf("%s is not refused", sql)
			}
			_, _ = rig.Try(t.Context(), c, "rollback")
			rig.Ask(t, other, "set work_mem = '6MB'")
			if got, err := rig.Try(t.Context(), c, "select current_setting('log_statement'), current_setting('work_mem'), current_user"); err != nil || !strings.HasSuffix(got, ",5MB,pg_read_all_data") {
				t.Errorf("cache %v: behind %s: %q, %v", caching, sql, got, err)
			}
			rig.CloseConn(c)
			rig.CloseConn(other)
		}
	}
}
