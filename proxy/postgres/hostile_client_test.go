package postgres_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// packet is a startup packet with a length that may be a lie.
func packet(length uint32, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, length), body...)
}

// typed is a message with a length that may be a lie.
func typed(typ byte, length uint32, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{typ}, length), body...)
}

// A fence is an instance with two servers, some clients who use them all the while and must not notice anything, and a log.
type fence struct {
	*rig.Instance
	log rig.Captured
}

var fenceLogin = proxytest.Login{User: "postgres", Database: "postgres"}

func newFence(t *testing.T, upstream string, options func(*rig.Options)) *fence {
	t.Helper()
	f := &fence{}
	f.Instance = rig.Start(t, rig.Setup{Upstream: upstream, Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		f.log.Capture(o)
		if options != nil {
			options(o)
		}
	}})
	return f
}

// Whatever a stranger sends in place of a login, it gets an error or is closed, and the log says so.
func TestHostileClient_NoLoginNoHarm(t *testing.T) {
	t.Parallel()
	f := newFence(t, proxytest.SharedPostgres(t).Addr(), func(o *rig.Options) { o.LoginTimeout = time.Second })
	defer keepBusy(t, f.Instance, fenceLogin, 2)()
	good := proxytest.StartupMessage(proxytest.Login{User: "postgres"})
	for name, said := range map[string][]byte{
		"nothing":                  nil,
		"text":                     []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"zeros":                    make([]byte, 64),
		"ones":                     bytes.Repeat([]byte{0xff}, 64),
		"length zero":              packet(0, good[4:]),
		"length seven":             packet(7, good[4:]),
		"length beyond the limit":  packet(1<<20, good[4:]),
		"length negative":          packet(1<<31, good[4:]),
		"length one too short":     packet(uint32(len(good)-1), good[4:]),
		"length one too long":      packet(uint32(len(good)+1), good[4:]),
		"no terminator":            packet(uint32(len(good)-1), good[4:len(good)-1]),
		"bytes after the end":      packet(uint32(len(good)+3), append(slices.Clone(good[4:]), 'a', 'b', 0)),
		"name without value":       packet(14, append(good[4:8:8], "user\x00\x00"...)),
		"nobody":                   packet(9, append(good[4:8:8], 0)),
		"cancel of no length":      rig.Opener(rig.CancelRequest),
		"cancel of three bytes":    rig.Opener(rig.CancelRequest, 1, 2, 3),
		"cancel of nobody":         rig.Opener(rig.CancelRequest, 0, 0, 0, 99, 1, 2, 3, 4),
		"cancel of a long key":     rig.Opener(rig.CancelRequest, make([]byte, 250)...),
		"SSLRequest with a body":   rig.Opener(rig.SslRequest, 1),
		"many requests":            bytes.Repeat(rig.Opener(rig.GssRequest), 10),
		"TLS without being asked":  []byte("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
		"a query":                  proxytest.Query("select 1"),
		"half a packet":            good[:len(good)-5],
		"protocol of another kind": rig.Opener(1234<<16|9999, 0),
	} {
		nc := f.Raw(t)
		if _, err := nc.Write(said); err != nil {
			t.Fatal(err)
		}
		if name == "half a packet" || name == "length one too long" {
			_ = nc.(*net.TCPConn).CloseWrite()
		}
		got, err := io.ReadAll(nc)
		if err != nil && !rig.IsReset(err) {
			t.Errorf("%s: was not closed: %v", name, err)
		}
		got = bytes.TrimLeft(got, "N") // to requests for encryption
		if len(got) > 0 && (got[0] != 'E' || len(rig.Fields(proxytest.Message{Body: got[5:]})['C']) != 5) {
			t.Errorf("%s: got %q, want an error with an SQLSTATE or nothing", name, got)
		}
		if !strings.HasPrefix(name, "cancel") {
			f.log.Await(t, "client refused", "client="+nc.LocalAddr().String(), "error=")
		}
	}
}

// A client that is in and breaks the protocol hears what was wrong and is closed. Its server connection, which may have
// half of a message or an open transaction, serves nobody else like that.
func TestHostileClient_BrokenMessagesEndItsSessionOnly(t *testing.T) {
	t.Parallel()
	f := newFence(t, proxytest.SharedPostgres(t).Addr(), func(o *rig.Options) { o.MaxMessage = 1 << 20 })
	defer keepBusy(t, f.Instance, fenceLogin, 3)()
	begin := proxytest.Query("begin")
	cases := map[string][]byte{
		"unknown type":             typed('z', 4, ""),
		"type zero":                typed(0, 4, ""),
		"high type":                typed(0xff, 4, ""),
		"a password":               typed('p', 6, "x\x00"),
		"length three":             typed('Q', 3, ""),
		"length zero":              typed('S', 0, ""),
		"length negative":          typed('Q', 1<<31, ""),
		"length of all ones":       typed('P', 1<<32-1, ""),
		"longer than the limit":    typed('Q', 1<<20+5, ""),
		"query without end":        typed('Q', 12, "select 1"),
		"query with two ends":      typed('Q', 14, "select 1\x00x"),
		"empty query body":         typed('Q', 4, ""),
		"parse without end":        typed('P', 8, "name"),
		"parse without types":      typed('P', 8, "n\x00s\x00"),
		"bind without end":         typed('B', 8, "port"),
		"describe of what":         typed('D', 6, "X\x00"),
		"describe of nothing":      typed('D', 4, ""),
		"describe without end":     typed('D', 7, "Sab"),
		"execute without a number": typed('E', 5, "\x00"),
		"close of what":            typed('C', 6, "X\x00"),
		"large describe":           typed('D', 1<<19, strings.Repeat("x", 1<<19-4)),
		"large sync":               typed('S', 1<<19, strings.Repeat("x", 1<<19-4)),
		"long name in bind":        typed('B', 1<<19, strings.Repeat("x", 1<<19-4)),
		"long name in parse":       typed('P', 1<<19, strings.Repeat("x", 1<<19-4)),
	}
	for name, broken := range cases {
		for _, before := range [][]byte{nil, begin} {
			w := f.Dial(t, fenceLogin)
			if before != nil {
				if _, err := w.Ask(before); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Send(broken); err != nil && !rig.IsReset(err) {
				t.Fatal(err)
			}
			types, last := untilReady(w.Conn())
			if !strings.HasSuffix(types, "E") || len(rig.Fields(last)['C']) != 5 {
				t.Errorf("%s: got %q %v, want an error with an SQLSTATE", name, types, last)
			}
			if strings.HasPrefix(rig.Fields(last)['S'], "FATAL") {
				if rest, err := io.ReadAll(w.Conn()); len(rest) > 0 || err != nil && !rig.IsReset(err) {
					t.Errorf("%s: got %q, %v after the error, want the end", name, rest, err)
				}
			}
			w.Conn().Close()
		}
	}
	f.log.Await(t, "session ended", "client broke the protocol", "user=postgres", "error=", "invalid frontend message type")
}

// Messages that are whole but out of place get the answer that PostgreSQL gives.
func TestHostileClient_MessagesOutOfOrderAreAnsweredAsPostgresDoes(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	f := newFence(t, pg.Addr(), nil)
	defer keepBusy(t, f.Instance, fenceLogin, 3)()
	q := proxytest.Query("select 1")
	for name, said := range map[string][][]byte{
		"copy out of nowhere":        {proxytest.CopyData([]byte("x")), proxytest.CopyDone(), proxytest.CopyFail("x"), q},
		"execute of no portal":       {proxytest.Execute("none", 0), proxytest.Sync(), q},
		"bind of no statement":       {proxytest.Bind("", "none", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(), q},
		"describe of no statement":   {proxytest.Describe('S', "none"), proxytest.Sync(), q},
		"describe of no portal":      {proxytest.Describe('P', "none"), proxytest.Sync(), q},
		"close of nothing":           {proxytest.CloseName('S', "none"), proxytest.CloseName('P', "none"), proxytest.Sync(), q},
		"only syncs":                 {proxytest.Sync(), proxytest.Sync(), proxytest.Sync(), q},
		"flush alone":                {proxytest.Flush(), q},
		"query in a failed batch":    {proxytest.Parse("", "select nonsense"), q, proxytest.Sync(), q},
		"bind that lies about count": {proxytest.Parse("", "select $1::int"), typed('B', 4+2+2+2+2, "\x00\x00\x00\x00\x7f\xff\x00\x00"), proxytest.Sync(), q},
		"too few parameters":         {proxytest.Parse("", "select $1::int"), proxytest.Bind("", "", nil, nil, nil), proxytest.Sync(), q},
		"copy in the extended way, with a sync in it": {proxytest.Query("create temp table c(a int)"), proxytest.Parse("", "copy c from stdin"),
			proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(), proxytest.CopyData([]byte("1\n")),
			proxytest.CopyDone(), proxytest.Sync(), q},
	} {
		ready := 0
		for _, m := range said {
			if m[0] == 'Q' || m[0] == 'S' {
				ready++
			}
		}
		if strings.Contains(name, "failed batch") || strings.Contains(name, "sync in it") {
			ready--
		}
		var answers []string
		for _, address := range []string{pg.Addr(), f.Address} {
			w, err := proxytest.Dial(t.Context(), address, fenceLogin)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Send(said...); err != nil {
				t.Fatal(err)
			}
			got, err := w.ReceiveReady(ready)
			if err != nil {
				t.Fatalf("%s: %v after %v", name, err, got)
			}
			var b strings.Builder
			for _, m := range proxytest.Normalise(got) {
				b.WriteString(m.String() + "\n")
			}
			answers = append(answers, b.String())
			w.Close()
		}
		if got, want := answers[1], answers[0]; got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// Clients that hang up at any byte leave nothing behind: no transaction, no half message, no server less.
func TestHostileClient_HangingUpAtEveryByteCostsNobody(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "hanging_up", "create table t(a int)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "hanging_up", Size: 2, Options: new(rig.Captured).Capture})
	login := proxytest.Login{User: "postgres", Database: "hanging_up"}
	defer keepBusy(t, in, login, 2)()
	all := slices.Concat(proxytest.Query("begin; insert into t values (1)"), proxytest.Parse("s", "insert into t values ($1)"),
		proxytest.Bind("", "s", [][]byte{[]byte("2")}, nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0),
		proxytest.Flush(), proxytest.Sync(), proxytest.Query("copy t from stdin"), proxytest.CopyData([]byte("3\n")))
	for n := range all {
		w := in.Dial(t, login)
		if err := w.Send(all[:n]); err != nil {
			t.Fatal(err)
		}
		if n%2 == 0 {
			_ = w.Conn().(*net.TCPConn).SetLinger(0) // a reset rather than an orderly end
		}
		w.Conn().Close()
	}
	c := in.Connect(t, "hanging_up")
	if got := rig.Ask(t, c, "select count(*) from t"); got != "0" {
		t.Errorf("%s rows were committed by clients that never did", got)
	}
	d := rig.Direct(t, pg, "hanging_up")
	rig.Await(t, "all transactions to be gone", func() bool {
		return rig.Ask(t, d, "select count(*) from pg_stat_activity where datname = 'hanging_up' and state like 'idle in%'") == "0"
	})
}

// A client that asks on and on and never reads an answer is not read any more, and what passes through is not kept.
func TestHostileClient_MemoryStaysBounded(t *testing.T) { // not parallel: it measures
	f := newFence(t, proxytest.SharedPostgres(t).Addr(), nil)
	defer keepBusy(t, f.Instance, fenceLogin, 1)()
	const flood, bound = 48 << 20, 24 << 20
	query, sync := proxytest.Query("select repeat('x', 10000)"), proxytest.Sync()
	for name, c := range map[string]struct {
		head, body []byte
		passes     bool // all of it is taken, else it must stop somewhere
	}{
		"answers not read":      {nil, bytes.Repeat(query, 1<<20/len(query)), false},
		"syncs not read":        {nil, bytes.Repeat(sync, 1<<20/len(sync)), false},
		"one query without end": {typed('Q', 1<<29, ""), bytes.Repeat([]byte{' '}, 1<<20), true},
		"one bind without end":  {typed('B', 1<<29, "\x00\x00"), make([]byte, 1<<20), true},
		"one parse without end": {typed('P', 1<<29, "\x00"), bytes.Repeat([]byte{' '}, 1<<20), true},
		"copy out of place":     {typed('d', 1<<29, ""), make([]byte, 1<<20), true},
	} {
		before, most := heap(), uint64(0)
		w := f.Dial(t, fenceLogin)
		if err := w.Send(c.head); err != nil {
			t.Fatal(err)
		}
		for sent := 0; sent < flood; most = max(most, heap()) {
			limit := rig.Patience
			if !c.passes {
				limit = time.Second // nobody listens any more
			}
			_ = w.Conn().SetWriteDeadline(time.Now().Add(limit))
			n, err := w.Conn().Write(c.body)
			if sent += n; err == nil {
				continue
			}
			if c.passes {
				t.Errorf("%s: after %d bytes: %v", name, sent, err)
			}
			break
		}
		if most > before+bound {
			t.Errorf("%s: took %d MiB of memory, want less than %d", name, (most-before)>>20, bound>>20)
		}
		w.Conn().Close()
	}
}

// heap is the memory in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
