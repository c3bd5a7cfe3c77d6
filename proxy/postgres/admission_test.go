package postgres_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// untilReady reads messages up to ReadyForQuery, an error or the end, and returns their types and the last one.
func untilReady(r io.Reader) (types string, last proxytest.Message) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return types, last
		}
		last = proxytest.Message{Type: head[0], Body: make([]byte, binary.BigEndian.Uint32(head[1:])-4)}
		types += string(last.Type)
		if _, err := io.ReadFull(r, last.Body); err != nil || last.Type == 'Z' || last.Type == 'E' {
			return types, last
		}
	}
}

// loggedIn is what a login looks like: OK, thirteen parameters on PostgreSQL 15 and more on later ones, the key, ready.
var loggedIn = regexp.MustCompile(`^RS{13,}KZ$`)

func TestAdmission_TakesOpenersInEveryLegalOrder(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	serverTLS, roots := rig.Authority(t)
	startup := proxytest.StartupMessage(proxytest.Login{User: "postgres"})
	for _, mode := range []postgres.TLSMode{postgres.TLSDisable, postgres.TLSPrefer, postgres.TLSRequire} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
			new(rig.Captured).Capture(o)
			o.TLS, o.TLSMode = serverTLS, mode
		}})
		for _, order := range []string{"", "S", "G", "SG", "GS"} {
			nc := in.Raw(t)
			secure := false
			for _, request := range order {
				code := map[rune]uint32{'S': rig.SslRequest, 'G': rig.GssRequest}[request]
				want := byte('N')
				if request == 'S' && mode != postgres.TLSDisable {
					want = 'S'
				}
				if got := exchange(t, nc, rig.Opener(code)); got != want {
					t.Fatalf("mode %d, order %q: request %c got %q, want %q", mode, order, request, got, want)
				}
				if want == 'S' {
					nc, secure = tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}), true
				}
			}
			if _, err := nc.Write(startup); err != nil {
				t.Fatal(err)
			}
			got, last := untilReady(nc)
			if mode == postgres.TLSRequire && !secure {
				if got != "E" || rig.Fields(last)['C'] != "28000" || rig.Fields(last)['S'] != "FATAL" {
					t.Errorf("plain under require got %s %v, want FATAL 28000", got, last)
				}
				continue
			}
			if !loggedIn.MatchString(got) {
				t.Errorf("mode %d, order %q: got %s %v, want %s", mode, order, got, last, loggedIn)
			}
		}
	}
}

func exchange(tb testing.TB, nc net.Conn, request []byte) byte {
	tb.Helper()
	var answer [1]byte
	if _, err := nc.Write(request); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(nc, answer[:]); err != nil {
		tb.Fatal(err)
	}
	return answer[0]
}

// A driver finds its way under each mode, and really has TLS where it should.
func TestAdmission_TLSModesWorkForADriver(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	serverTLS, roots := rig.Authority(t)
	strict := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	for _, c := range []struct {
		mode   postgres.TLSMode
		client *tls.Config
		secure bool
	}{
		{postgres.TLSDisable, nil, false}, {postgres.TLSPrefer, nil, false},
		{postgres.TLSPrefer, strict, true}, {postgres.TLSRequire, strict, true},
	} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
			o.TLS, o.TLSMode = serverTLS, c.mode
		}})
		conn := in.Connect(t, "postgres", func(config *pgconn.Config) { config.TLSConfig = c.client })
		if _, secure := conn.Conn().(*tls.Conn); secure != c.secure {
			t.Errorf("mode %d: TLS is %v, want %v", c.mode, secure, c.secure)
		}
		// Larger than a TLS record and than any buffer on the way.
		if got := rig.Ask(t, conn, "select length(repeat('x', 1000000)), repeat('x', 1000000)"); len(got) != 1000008 {
			t.Errorf("mode %d: got %d bytes, want 1000008", c.mode, len(got))
		}
	}
}

// What is sent in plain text behind SSLRequest must not count as said under TLS.
func TestAdmission_PlainTextBeforeTheHandshakeIsNotTakenUp(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	serverTLS, _ := rig.Authority(t)
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		log.Capture(o)
		o.TLS, o.TLSMode = serverTLS, postgres.TLSPrefer
	}})
	nc := in.Raw(t)
	if got := exchange(t, nc, slices.Concat(rig.Opener(rig.SslRequest), proxytest.StartupMessage(proxytest.Login{User: "postgres"}))); got != 'S' {
		t.Fatalf("got %q, want 'S'", got)
	}
	if rest, _ := io.ReadAll(nc); bytes.IndexByte(rest, 'R') >= 0 {
		t.Errorf("got %q, want nothing but an alert", rest)
	}
	log.Await(t, "client refused", "TLS handshake")
}

func TestAdmission_TellsNewerClientsWhatItSpeaks(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2})
	for _, c := range []struct {
		version uint32
		params  map[string]string
	}{
		{3<<16 | 2, nil}, {3<<16 | 9999, nil}, {3 << 16, map[string]string{"_pq_.x": "1"}},
		{3<<16 | 2, map[string]string{"_pq_.command_progress": "1"}},
	} {
		startup := proxytest.StartupMessage(proxytest.Login{User: "postgres", Params: c.params})
		binary.BigEndian.PutUint32(startup[4:], c.version)
		var logins []string
		for _, address := range []string{pg.Addr(), in.Address} {
			w, err := proxytest.DialRaw(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.Ask(startup)
			if err != nil {
				t.Fatalf("version %x: %v", c.version, err)
			}
			logins = append(logins, fmt.Sprint(proxytest.Normalise(got)))
			w.Close()
		}
		if got, want := logins[1], logins[0]; got != want || !strings.HasPrefix(got, "[NegotiateProtocolVersion") {
			t.Errorf("version %x got\n%s\nwant\n%s", c.version, got, want)
		}
	}
}

func TestAdmission_RefusesAnOlderProtocol(t *testing.T) {
	t.Parallel()
	in := rig.Start(t, rig.Setup{Upstream: "127.0.0.1:1", Database: "postgres", Size: 2, Options: new(rig.Captured).Capture})
	for _, version := range []uint32{1 << 16, 2 << 16, 4 << 16, 0} {
		nc := in.Raw(t)
		if _, err := nc.Write(rig.Opener(version, 0)); err != nil {
			t.Fatal(err)
		}
		if got, last := untilReady(nc); got != "E" || rig.Fields(last)['C'] != "0A000" {
			t.Errorf("version %x got %s %v, want an error 0A000", version, got, last)
		}
	}
}
