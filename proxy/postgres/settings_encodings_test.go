package postgres_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// bytesOfSetting asks for the bytes that the server has of a parameter.
func bytesOfSetting(name string) string {
	return fmt.Sprintf("select encode(convert_to(current_setting('%s', true), getdatabaseencoding()), 'hex')", name)
}

// The second byte of a character may be a backslash or a quote in these encodings, which only clients may have.
func TestSettings_ValuesStayValuesUnderEveryEncoding(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "values_stay", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "values_stay", Size: 1})
	plain := in.Connect(t, "values_stay")
	for _, encoding := range []string{"SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB"} {
		for _, value := range []string{
			"\x83\x5c', false); create temp table hijacked(a int); --", `é\', false); create temp table hijacked(a int); --`,
			"é'; create temp table hijacked(a int); --",
		} {
			c, err := pgconn.ConnectConfig(t.Context(), &in.Config(t, "values_stay", rig.With("client_encoding", encoding), rig.With("app.x", value)).Config)
			if err == nil {
				if got := rig.Ask(t, c, bytesOfSetting("app.x")); got != hex.EncodeToString([]byte(value)) {
					t.Errorf("%s: %q became %s", encoding, value, got)
				}
				rig.CloseConn(c)
			}
			if got := rig.Ask(t, plain, "select to_regclass('hijacked') is null"); got != "t" {
				t.Fatalf("%s: %q was run as SQL", encoding, value)
			}
		}
		c := in.Connect(t, "values_stay", rig.With("client_encoding", encoding))
		rig.Ask(t, c, "set app.y = 'a\\b'")
		rig.Ask(t, plain, "select 1")
		if got := rig.Ask(t, c, "show app.y"); got != `a\b` {
			t.Errorf("%s: the value became %s", encoding, got)
		}
		rig.CloseConn(c)
	}
}

// What a client has set is the same on every server, and for the server, whatever encodings others speak there.
func TestSettings_ValuesKeepTheServersBytes(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "values_bytes", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "values_bytes", Size: 2})
	latin := in.Connect(t, "values_bytes", rig.With("client_encoding", "LATIN1"))
	sjis := in.Connect(t, "values_bytes", rig.With("client_encoding", "SJIS"))
	plain := in.Connect(t, "values_bytes", rig.With("app.startup", "é"))
	rig.Ask(t, latin, "set app.tenant = '\xc3\xa9'") // Ã© for LATIN1, é for UTF8
	rig.Ask(t, sjis, "set app.tenant = '\x83\x5c'")  // which is not read, and keeps a server
	rig.Ask(t, plain, "set app.tenant = 'é'")
	for range 3 {
		for c, want := range map[*pgconn.PgConn]string{latin: "c383c2a9", sjis: "e382bd", plain: "c3a9"} {
			if got := rig.Ask(t, c, bytesOfSetting("app.tenant")); got != want {
				t.Errorf("under %s: got %s, want %s", c.ParameterStatus("client_encoding"), got, want)
			}
			if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" && c != sjis {
				t.Errorf("under %s: pinned by %s", c.ParameterStatus("client_encoding"), got)
			}
		}
		if got := rig.Ask(t, plain, bytesOfSetting("app.startup")); got != "c3a9" {
			t.Errorf("the startup value became %s", got)
		}
	}
}

// Names lose the case of ASCII letters only, and only where client and server speak UTF8 is it known what others are.
func TestSettings_NamesFoldASCIIOnly(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "names_fold", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "names_fold", Size: 1})
	const show = "select coalesce(current_setting('app.Ärger', true), ''), coalesce(current_setting('app.ärger', true), '')"
	c, next := in.Connect(t, "names_fold"), in.Connect(t, "names_fold")
	rig.Ask(t, c, "set app.Ärger = 'upper'")
	if got := rig.Ask(t, next, show); got != "," {
		t.Errorf("the next client finds %s", got)
	}
	rig.Ask(t, c, "set APP.ärger = 'lower'")
	if got := rig.Ask(t, next, show); got != "," {
		t.Errorf("the next client finds %s", got)
	}
	if got := rig.Ask(t, c, show); got != "upper,lower" {
		t.Errorf("the client finds %s", got)
	}
	rig.Ask(t, c, "reset app.Ärger")
	if got := rig.Ask(t, c, show); got != ",lower" {
		t.Errorf("after RESET the client finds %s", got)
	}
	startup := in.Connect(t, "names_fold", rig.With("app.Ärger", "startup"))
	for c, want := range map[*pgconn.PgConn]string{startup: "startup,", next: ",", c: ",lower"} {
		if got := rig.Ask(t, c, show); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	latin := in.Connect(t, "names_fold", rig.With("client_encoding", "LATIN1"))
	rig.Ask(t, latin, "set app.\xc4 = 'x'")
	if got := rig.Ask(t, latin, "show overdrive.pinned"); !strings.Contains(got, "name") {
		t.Errorf("pinned by %q", got)
	}
	rig.CloseConn(latin)
}

// A server shortens names, so that what was set is not found under the name in the text.
func TestSettings_NamesThatTheServerShortensPin(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "names_long", "create table ev(a int)", rig.OneServer)
	c := b.Pair(t)
	c.Hits(t, "select a from ev") // the catalog is known, and no function that sets anything
	long := strings.Repeat("x", 70)
	rig.Ask(t, c.Through, "set app."+long+" = 'shortened'")
	if got := rig.Ask(t, c.Through, "show overdrive.pinned"); !strings.Contains(got, "name") {
		t.Errorf("pinned by %q", got)
	}
	rig.CloseConn(c.Through)
	if got := rig.Ask(t, b.Pair(t).Through, "select coalesce(current_setting('app."+long[:63]+"', true), '')"); got != "" {
		t.Errorf("the next client finds %s", got)
	}
}

// The same bytes are other words in another encoding: an answer, or a prepared statement, is shared only by those who mean
// the same.
func TestSettings_TextsOfOtherEncodingsAreNotTakenForUTF8(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "texts_encoded", "create table ev(a text); insert into ev values ('é'), ('Ã©'); create table \"é\" as select 1 as a; create table \"Ã©\" as select 2 as a")
	plain, latin, sjis := b.Pair(t), b.Pair(t, rig.With("client_encoding", "LATIN1")), b.Pair(t, rig.With("client_encoding", "SJIS"))
	queries := []string{"select length('\xc3\xa9') from ev", "select a = '\xc3\xa9', a from ev where a = '\xc3\xa9'"}
	plain.Hits(t, queries...)
	plain.Hits(t, "select a from \xc3\xa9")
	latin.Hits(t, queries...) // its own
	plain.HitsAtOnce(t, append(queries, "select a from \xc3\xa9")...)
	latin.Never(t, "select a from \xc3\xa9")
	for _, p := range []*rig.ClientPair{latin, sjis} { // what is ASCII is read as it stands
		p.Hits(t, "select count(*) from ev")
		if got := rig.Ask(t, p.Through, "show overdrive.pinned"); got != "" {
			t.Errorf("pinned by %s", got)
		}
	}
	sjis.Never(t, "select length('\x83\x5c') from ev")
	// A statement that was prepared under one encoding is not parsed under another.
	for _, c := range []*pgconn.PgConn{latin.Through, plain.Through, latin.Through} {
		want := "2"
		if c == plain.Through {
			want = "1"
		}
		if got, err := rig.AskExtended(t.Context(), c, 0, "select length('\xc3\xa9')"); err != nil || got != want {
			t.Errorf("under %s: got %s, %v, want %s", c.ParameterStatus("client_encoding"), got, err, want)
		}
	}
}

// A statement that changes how texts are read, and one that is prepared behind it in the same batch, make nothing that others share.
func TestSettings_NobodySharesWhatWasPreparedBehindAnotherEncoding(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "poisoned_statement", "")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "poisoned_statement", Size: 1})
	c, victim := in.Connect(t, "poisoned_statement"), in.Connect(t, "poisoned_statement")
	const sql = "select length('\xc3\xa9')"
	for _, set := range [][2]string{{"set client_encoding = 'LATIN1'", "set client_encoding = 'UTF8'"}, {"begin; set local client_encoding = 'LATIN1'", "commit"}} {
		p := c.StartPipeline(t.Context())
		for part := range strings.SplitSeq(set[0], ";") {
			p.SendQueryParams(part, nil, nil, nil, nil)
		}
		p.SendPrepare("s"+set[1], sql, nil)
		if err := p.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		rig.Ask(t, c, set[1])
		if got, err := victim.Prepare(t.Context(), "", sql, nil); err != nil {
			t.Fatal(got, err)
		}
		if _, err := victim.Prepare(t.Context(), "v"+set[1], sql, nil); err != nil {
			t.Fatal(err)
		}
		r := victim.ExecPrepared(t.Context(), "v"+set[1], nil, nil, nil).Read()
		if got := strings.Join(rig.RowsOf(r), ""); r.Err != nil || got != "1" {
			t.Errorf("behind %s another client got %s, %v, want 1", set[0], got, r.Err)
		}
	}
}
