package admin_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"overdrive/proxy/admin"
	"overdrive/proxy/postgres/pgwire"
)

// wire is a client that says what it likes, on a pipe to a Console, in a bubble of synctest.
type wire struct {
	t    *testing.T
	nc   net.Conn
	stop context.CancelFunc
}

func dialWire(t *testing.T, c *admin.Console) *wire { return dialWireAs(t, c, "root") }

func dialWireAs(t *testing.T, c *admin.Console, user string) *wire {
	near, far := net.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	go c.Serve(ctx, far, user)
	t.Cleanup(func() {
		near.Close()
		stop()
	})
	return &wire{t, near, stop}
}

func newConsole() *admin.Console {
	c := admin.New(admin.Options{Admins: []string{"root"}})
	c.Attach(&fakeProxy{})
	return c
}

func (w *wire) send(messages ...[]byte) {
	w.t.Helper()
	for _, m := range messages {
		if _, err := w.nc.Write(m); err != nil {
			w.t.Fatal(err)
		}
	}
}

// hear returns the types of the messages up to ReadyForQuery or the end, with the SQLSTATE behind each error.
func (w *wire) hear() string {
	w.t.Helper()
	var heard strings.Builder
	for {
		typ, body, err := pgwire.ReadMessage(w.nc, 1<<20)
		if err != nil {
			return heard.String() + "!"
		}
		if typ == pgwire.ParameterStatus {
			continue
		}
		heard.WriteByte(typ)
		if typ == pgwire.ErrorResponse {
			heard.WriteString("(" + pgwire.ReadError(body).Code + ")")
		}
		if typ == pgwire.ReadyForQuery {
			return heard.String()
		}
	}
}

// cell runs a command and returns one value of its answer, as text.
func (w *wire) cell(sql string, row, column int) (value string) {
	w.t.Helper()
	w.send(pgwire.AppendMessage(nil, pgwire.Query, append([]byte(sql), 0)))
	for n := 0; ; {
		typ, body, err := pgwire.ReadMessage(w.nc, 1<<20)
		switch {
		case err != nil:
			w.t.Fatalf("%s: %v", sql, err)
		case typ == pgwire.ReadyForQuery:
			return value
		case typ == pgwire.DataRow:
			var m pgproto3.DataRow
			if m.Decode(body) == nil && n == row {
				value = string(m.Values[column])
			}
			n++
		}
	}
}

func (w *wire) want(what, want string) {
	w.t.Helper()
	if got := w.hear(); got != want {
		w.t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func parseMessage(name, sql string) []byte {
	return pgwire.AppendParse(nil, name, append([]byte(sql), 0, 0, 0))
}

// bindMessage has no parameter formats, params parameters that are NULL, and the result formats.
func bindMessage(portal, statement string, params int, results ...uint16) []byte {
	tail := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(params))
	for range params {
		tail = append(tail, 0xff, 0xff, 0xff, 0xff)
	}
	tail = binary.BigEndian.AppendUint16(tail, uint16(len(results)))
	for _, f := range results {
		tail = binary.BigEndian.AppendUint16(tail, f)
	}
	return append(pgwire.AppendBindHead(nil, []byte(portal), statement, len(tail)), tail...)
}

func executeMessage(portal string, most uint32) []byte {
	body := binary.BigEndian.AppendUint32(append([]byte(portal), 0), most)
	return pgwire.AppendMessage(nil, pgwire.Execute, body)
}

var (
	syncMessage  = pgwire.AppendEmpty(nil, pgwire.Sync)
	flushMessage = pgwire.AppendEmpty(nil, pgwire.Flush)
)

func TestConn_FollowsTheExtendedProtocol(t *testing.T) {
	describe := func(what pgwire.Target, name string) []byte {
		return pgwire.AppendTarget(nil, pgwire.Describe, what, name)
	}
	shut := func(what pgwire.Target, name string) []byte {
		return pgwire.AppendTarget(nil, pgwire.Close, what, name)
	}
	show := parseMessage("s", "show cache")
	for _, c := range []struct {
		what string
		send [][]byte
		want string
	}{
		{"a row limit", [][]byte{show, bindMessage("", "s", 0), executeMessage("", 1), executeMessage("", 1), executeMessage("", 0), syncMessage},
			"12DsDCCZ"},
		{"descriptions", [][]byte{show, describe('S', "s"), bindMessage("p", "s", 0), describe('P', "p"), syncMessage}, "1tT2TZ"},
		{"an empty statement", [][]byte{parseMessage("", " ;"), describe('S', ""), bindMessage("", "", 0), describe('P', ""),
			executeMessage("", 0), syncMessage}, "1tn2nIZ"},
		{"a closed statement", [][]byte{show, shut('S', "s"), bindMessage("", "s", 0), syncMessage}, "13E(26000)Z"},
		{"a closed portal", [][]byte{show, bindMessage("p", "s", 0), shut('P', "p"), executeMessage("p", 0), syncMessage},
			"123E(34000)Z"},
		{"a portal of another batch", [][]byte{show, bindMessage("p", "s", 0), executeMessage("q", 0), syncMessage}, "12E(34000)Z"},
		{"nothing between an error and Sync", [][]byte{parseMessage("", "reloaded"), show, bindMessage("", "s", 0),
			executeMessage("", 0), syncMessage}, "E(42601)Z"},
		{"parameters", [][]byte{show, bindMessage("", "s", 1), syncMessage}, "1E(08P01)Z"},
		{"too many result formats", [][]byte{show, bindMessage("", "s", 0, 1, 1), syncMessage}, "1E(08P01)Z"},
		{"one result format for all", [][]byte{show, bindMessage("", "s", 0, 1), executeMessage("", 0), syncMessage}, "12DDCZ"},
		{"an unknown portal described", [][]byte{describe('P', "p"), syncMessage}, "E(34000)Z"},
		{"an unknown statement described", [][]byte{describe('S', "s"), syncMessage}, "E(26000)Z"},
		{"a truncated Bind", [][]byte{pgwire.AppendMessage(nil, pgwire.Bind, []byte{0, 0, 0}), syncMessage}, "E(08P01)Z"},
		{"a Describe of neither", [][]byte{show, describe('X', "s"), syncMessage}, "1E(08P01)Z"},
		{"a Close of neither", [][]byte{show, shut('X', "s"), syncMessage}, "1E(08P01)Z"},
		{"a Query in the middle of a batch", [][]byte{parseMessage("", "reloaded"), pgwire.AppendString(nil, pgwire.Query, "show cache")},
			"E(42601)TDDCZ"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := dialWire(t, newConsole())
				w.want("greeting", "RKZ")
				w.send(c.send...)
				w.want(c.what, c.want)
			})
		})
	}
}

func TestConn_SendsWhatWasSaidOnFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole())
		w.want("greeting", "RKZ")
		w.send(parseMessage("", "show cache"), flushMessage)
		if typ, _, err := pgwire.ReadMessage(w.nc, 0); typ != pgwire.ParseComplete || err != nil {
			t.Errorf("got %q, %v", typ, err)
		}
	})
}

func TestConn_ForgetsPortalsAtSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole())
		w.want("greeting", "RKZ")
		w.send(parseMessage("s", "show cache"), bindMessage("p", "s", 0), syncMessage)
		w.want("first batch", "12Z")
		w.send(executeMessage("p", 0), syncMessage)
		w.want("second batch", "E(34000)Z")
		w.send(bindMessage("p", "s", 0), executeMessage("p", 0), syncMessage)
		w.want("the statement is still there", "2DDCZ")
	})
}

func TestConn_BoundsWhatAClientPrepares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole())
		w.want("greeting", "RKZ")
		for i := range 100 {
			w.send(parseMessage(string(rune('A'+i)), "show cache"))
		}
		w.send(parseMessage("more", "show cache"), syncMessage)
		w.want("statements", strings.Repeat("1", 100)+"E(53400)Z")
		for i := range 100 {
			w.send(bindMessage(string(rune('A'+i)), "A", 0))
		}
		w.send(bindMessage("more", "A", 0), syncMessage)
		w.want("portals", strings.Repeat("2", 100)+"E(53400)Z")
	})
}

func TestConn_EndsAtGarbage(t *testing.T) {
	for what, c := range map[string]struct {
		send []byte
		want string
	}{
		"an unknown type":         {pgwire.AppendEmpty(nil, '~'), "E(08P01)!"},
		"a copy":                  {pgwire.AppendEmpty(nil, pgwire.CopyDone), "E(08P01)!"},
		"a length below four":     {[]byte{'Q', 0, 0, 0, 3}, "E(08P01)!"},
		"a length of a gigabyte":  {[]byte{'Q', 0x40, 0, 0, 0}, "E(08P01)!"},
		"a Query without an end":  {pgwire.AppendMessage(nil, pgwire.Query, []byte("show")), "E(08P01)!"},
		"a goodbye":               {pgwire.AppendEmpty(nil, pgwire.Terminate), "!"},
		"another startup message": {[]byte{0, 0, 0, 8, 4, 210, 22, 47}, "!"}, // waits for the rest
	} {
		synctest.Test(t, func(t *testing.T) {
			w := dialWire(t, newConsole())
			w.want("greeting", "RKZ")
			w.send(c.send)
			w.want(what, c.want)
		})
	}
}

func TestConn_WaitsForAMessageButNotForItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole())
		w.want("greeting", "RKZ")
		<-time.After(24 * time.Hour) // of the bubble: nobody waits
		query := pgwire.AppendString(nil, pgwire.Query, "show cache")
		w.send(query)
		w.want("after a day", "TDDCZ")
		began := time.Now()
		w.send(query[:7])
		w.want("half a message", "!")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("half a message was waited for for %v", took)
		}
	})
}

func TestConn_GivesUpOnAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole()) // the greeting finds no reader
		<-time.After(11 * time.Second)
		w.want("after the limit", "!")
	})
}

func TestConn_IsToldThatTheProxyHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialWire(t, newConsole())
		w.want("greeting", "RKZ")
		synctest.Wait()
		w.stop()
		w.want("at rest", "E(57P01)!")
	})
}

func TestConn_IsOneOfAFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole()
		for range 32 {
			dialWire(t, c).want("greeting", "RKZ")
		}
		first := dialWire(t, c)
		first.want("one too many", "E(53300)!")
		first.nc.Close()
	})
}

func TestConn_CostsNobodyElseAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole()
		w := dialWire(t, c)
		w.want("greeting", "RKZ")
		w.send(pgwire.AppendString(nil, pgwire.Query, "explain cache 'panic' in shop"))
		w.want("a panic", "!")
		for range 32 { // its place is free again
			dialWire(t, c).want("the next", "RKZ")
		}
	})
}

// A Query may hold anything: the console answers or refuses, and goes on.
func FuzzParse(f *testing.F) {
	for _, sql := range []string{"show cache", "explain cache verify $a$x$a$ in b", `purge table "a".b`, "purge query 1e", "'"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.IndexByte(sql, 0) >= 0 || len(sql) > 1000 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			w := dialWire(t, newConsole())
			w.want("greeting", "RKZ")
			w.send(pgwire.AppendString(nil, pgwire.Query, sql))
			if got := w.hear(); !strings.HasSuffix(got, "Z") {
				t.Errorf("%q: got %s", sql, got)
			}
		})
	})
}
