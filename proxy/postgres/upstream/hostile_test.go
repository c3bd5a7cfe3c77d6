package upstream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// scripted is a connection whose other side says what is written down, hears nothing, and hangs up. It has no address, so
// whoever would dial a second time, to cancel, dies.
type scripted struct {
	net.Conn // nil: nothing else is used
	in       *bytes.Reader
	out      bytes.Buffer
	late     bool // the deadline is over
}

func script(parts ...string) *scripted {
	return &scripted{in: bytes.NewReader([]byte(strings.Join(parts, "")))}
}

func (s *scripted) Read(b []byte) (int, error) {
	if s.late {
		return 0, os.ErrDeadlineExceeded
	}
	return s.in.Read(b)
}

func (s *scripted) Write(b []byte) (int, error) { return s.out.Write(b) }

func (s *scripted) SetReadDeadline(t time.Time) error {
	s.late = !t.IsZero()
	return nil
}

func (s *scripted) Close() error { return nil }

func msg(typ byte, body string) string {
	return string(pgwire.AppendMessage(nil, typ, []byte(body)))
}

var (
	authOK  = msg('R', "\x00\x00\x00\x00")
	keyData = msg('K', "\x00\x00\x00\x07four")
	ready   = msg('Z', "I")
	good    = authOK + msg('S', "server_version\x0015\x00") + msg('N', "SNOTICE\x00\x00") + keyData + ready
)

var someTarget = Target{Host: "nowhere", Port: 5432, Database: "shop", User: "app",
	Demands:       Demands{RequireAuth: "none,password,md5,scram-sha-256"},
	RuntimeParams: map[string]string{"search_path": "a", "application_name": "me"}}

func loginTo(s *scripted) (*Conn, error) {
	secret, err := pgauth.PlainSecret("secret")
	if err != nil {
		return nil, err
	}
	return login(s, someTarget, pgauth.NewCredential("app", secret))
}

func TestLogin_SendsUserDatabaseAndParameters(t *testing.T) {
	s := script(good)
	if _, err := loginTo(s); err != nil {
		t.Fatal(err)
	}
	code, rest, err := pgwire.ReadStartup(&s.out)
	got := pairs(string(rest))
	want := map[string]string{"user": "app", "database": "shop", "application_name": "me", "search_path": "a"}
	if err != nil || code != pgwire.Version30 || !maps.Equal(got, want) || s.out.Len() > 0 {
		t.Errorf("got version %d, %q, %v, and %d bytes more, want %q", code, got, err, s.out.Len(), want)
	}
}

// pairs reads the parameters of a startup message.
func pairs(body string) map[string]string {
	words := strings.Split(strings.TrimSuffix(body, "\x00\x00"), "\x00")
	all := make(map[string]string)
	for i := 0; i+1 < len(words); i += 2 {
		all[words[i]] = words[i+1]
	}
	return all
}

// A value is the server's bytes, whatever they mean in the encodings that there are.
func TestLogin_SendsParametersInTheBytesThatItWasGiven(t *testing.T) {
	for _, value := range []string{"\xff\xfe", "\x81\\", "é'\"\\ =", ""} {
		s := script(good)
		target := someTarget
		target.RuntimeParams = map[string]string{"search_path": value}
		if _, err := login(s, target, pgauth.NewCredential("\xe4pp", pgauth.Secret{})); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := pgwire.ReadStartup(&s.out)
		if got := pairs(string(rest)); got["search_path"] != value || got["user"] != "\xe4pp" {
			t.Errorf("got %q, want search_path %q", got, value)
		}
	}
}

func TestLogin_DoesNotReadPastReadyForQuery(t *testing.T) {
	const next = "the next byte"
	s := script(good, next)
	conn, err := loginTo(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.in.Len(); got != len(next) {
		t.Errorf("got %d bytes left, want %d", got, len(next))
	}
	if conn.PID != 7 || string(conn.Secret) != "four" || conn.Params["server_version"] != "15" {
		t.Errorf("got %+v", conn)
	}
}

func TestLogin_ServerMayHangUpAfterAnyByte(t *testing.T) {
	for n := range len(good) {
		if _, err := loginTo(script(good[:n])); !errors.Is(err, io.ErrUnexpectedEOF) || Permanent(err) {
			t.Fatalf("after %d bytes: got %v, want ErrUnexpectedEOF", n, err)
		}
	}
}

func TestLogin_AcceptsWhatOtherServersDo(t *testing.T) {
	for name, s := range map[string]string{
		"no key":                          authOK + ready,
		"long key":                        authOK + msg('K', "\x00\x00\x00\x07"+strings.Repeat("k", 256)) + ready,
		"empty parameter":                 authOK + msg('S', "\x00\x00") + ready,
		"repeated parameter":              authOK + strings.Repeat(msg('S', "a\x00b\x00"), maxParams+1) + ready,
		"notice at first":                 msg('N', "\x00") + authOK + ready,
		"older minor version":             msg('v', "\x00\x03\x00\x00\x00\x00\x00\x00") + authOK + ready,
		"older minor version, number":     msg('v', "\x00\x00\x00\x00\x00\x00\x00\x00") + authOK + ready,
		"cleartext, then in":              msg('R', "\x00\x00\x00\x03") + authOK + ready,
		"longest message that is allowed": msg('N', strings.Repeat("x", maxMessage)) + authOK + ready,
	} {
		if _, err := loginTo(script(s)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLogin_RefusesMalformedAndEndlessAnswers(t *testing.T) {
	var manyParams strings.Builder
	for i := range maxParams + 1 {
		manyParams.WriteString(msg('S', fmt.Sprintf("p%d\x00\x00", i)))
	}
	for name, s := range map[string]string{
		"length 0":                        "R\x00\x00\x00\x00",
		"length 3":                        "R\x00\x00\x00\x03",
		"length 2³²-1":                    "R\xff\xff\xff\xff",
		"length 2³¹":                      "R\x80\x00\x00\x00",
		"one byte too long":               msg('N', strings.Repeat("x", maxMessage+1)),
		"notices without end":             strings.Repeat(msg('N', strings.Repeat("x", maxMessage)), 17),
		"parameters without end":          authOK + manyParams.String(),
		"not the protocol":                "HTTP/1.1 400 Bad Request\r\n\r\n",
		"ready without authentication":    ready,
		"key without authentication":      keyData,
		"parameter before authentication": msg('S', "a\x00b\x00"),
		"authentication twice":            authOK + authOK,
		"negotiation afterwards":          authOK + msg('v', "\x00\x03\x00\x00\x00\x00\x00\x00"),
		"short negotiation":               msg('v', "\x00\x03\x00\x00"),
		"negotiated protocol 2":           msg('v', "\x00\x02\x00\x00\x00\x00\x00\x00"),
		"unknown option":                  msg('v', "\x00\x03\x00\x00\x00\x00\x00\x01_pq_.x\x00"),
		"row":                             authOK + msg('D', "\x00\x00"),
		"ready in a transaction":          authOK + msg('Z', "T"),
		"ready with nothing":              authOK + msg('Z', ""),
		"ready with more":                 authOK + msg('Z', "II"),
		"key too short":                   authOK + msg('K', "\x00\x00\x00\x07fou"),
		"key too long":                    authOK + msg('K', "\x00\x00\x00\x07"+strings.Repeat("k", 257)),
		"empty key":                       authOK + msg('K', ""),
		"parameter without end":           authOK + msg('S', "a"),
		"parameter without value":         authOK + msg('S', "a\x00"),
		"parameter with more":             authOK + msg('S', "a\x00b\x00c\x00"),
		"empty authentication":            msg('R', ""),
		"Kerberos":                        msg('R', "\x00\x00\x00\x02"),
		"SASL without SCRAM":              msg('R', "\x00\x00\x00\x0aOAUTHBEARER\x00\x00"),
	} {
		rest := good
		if strings.HasPrefix(s, authOK) {
			rest = ready
		}
		if conn, err := loginTo(script(s, rest)); err == nil {
			t.Errorf("%s: got in: %+v", name, conn)
		}
	}
}

func TestLogin_GiantLengthAllocatesNothing(t *testing.T) {
	s := script("E\x7f\xff\xff\xff")
	if _, err := loginTo(s); !errors.Is(err, errWire) {
		t.Errorf("got %v, want it refused by its length", err)
	}
}

func TestLogin_ReadsErrorsHoweverIncomplete(t *testing.T) {
	for _, c := range []struct {
		name, body, want, text string
	}{
		{"complete", "SFATAL\x00VFATAL\x00C57P03\x00Mstarting up\x00Dd\x00Hh\x00\x00", "57P03", "FATAL: starting up (SQLSTATE 57P03)"},
		{"translated severity", "SFATALE\x00VFATAL\x00C57P03\x00Mm\x00\x00", "57P03", "FATAL: m (SQLSTATE 57P03)"},
		{"no SQLSTATE", "SFATAL\x00Mgo away\x00\x00", "XX000", "FATAL: go away (SQLSTATE XX000)"},
		{"short SQLSTATE", "SFATAL\x00C5\x00Mm\x00\x00", "XX000", "FATAL: m (SQLSTATE XX000)"},
		{"no severity", "C28000\x00Mm\x00\x00", "28000", "FATAL: m (SQLSTATE 28000)"},
		{"no end", "C28000\x00Mm", "28000", "FATAL: server refused the login without giving a reason (SQLSTATE 28000)"},
		{"nothing", "", "XX000", "FATAL: server refused the login without giving a reason (SQLSTATE XX000)"},
		{"zero", "\x00", "XX000", "FATAL: server refused the login without giving a reason (SQLSTATE XX000)"},
	} {
		for _, before := range []string{"", authOK} {
			_, err := loginTo(script(before, msg('E', c.body)))
			var e *ServerError
			if !errors.As(err, &e) || e.Code != c.want || e.Error() != c.text {
				t.Errorf("%s: got %v, want %s", c.name, err, c.text)
			}
		}
	}
	_, err := loginTo(script(msg('E', "SFATAL\x00C57P03\x00Mm\x00Dd\x00Hh\x00Rr\x00\x00")))
	var e *ServerError
	if !errors.As(err, &e) || e.Detail != "d" || e.Hint != "h" || e.Fields['R'] != "r" {
		t.Errorf("got %+v", e)
	}
}

func TestPermanent_KnowsWhatWaitingCannotCure(t *testing.T) {
	refused := func(code string) error { return fmt.Errorf("login: %w", &ServerError{Code: code}) }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{refused("28P01"), true},
		{refused("28000"), true},
		{refused("3D000"), true},
		{refused("42501"), true},
		{refused("42704"), true},
		{refused("57P03"), false},
		{refused("53300"), false},
		{refused("XX000"), false},
		{refused(""), false},
		{errNoTLS, true},
		{pgauth.ErrUnsupported, true},
		{pgauth.ErrPassword, true},
		{pgauth.ErrProtocol, false},
		{errWire, false},
		{context.DeadlineExceeded, false},
		{os.ErrDeadlineExceeded, false},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
		{fmt.Errorf("both: %w", &bothError{refused("28P01"), refused("28000")}), true},
		{fmt.Errorf("both: %w", &bothError{refused("28P01"), errWire}), false},
		{fmt.Errorf("both: %w", &bothError{errWire, refused("28P01")}), false},
	} {
		if got := Permanent(c.err); got != c.want {
			t.Errorf("Permanent(%v): got %v, want %v", c.err, got, c.want)
		}
	}
}

func TestConnect_RefusedConnectionIsNotPermanent(t *testing.T) {
	l, target := listen(t)
	_ = l.Close()
	if _, err := connect(t, target); err == nil || Permanent(err) {
		t.Errorf("got %v, permanent %v", err, Permanent(err))
	}
}

func TestConnect_EndsWithItsContextWhereverTheServerFallsSilent(t *testing.T) {
	for _, c := range []struct {
		name, says string
		mode       SSLMode
	}{
		{"at once", "", SSLDisable},
		{"within a message", good[:7], SSLDisable},
		{"before it is ready", authOK + keyData, SSLDisable},
		{"before it answers the TLS request", "", SSLRequire},
		{"within the handshake", "S", SSLPrefer},
	} {
		l, target := listen(t)
		target.SSLMode = c.mode
		accepted := make(chan net.Conn, 1)
		go func() {
			nc, err := l.Accept()
			if err == nil {
				_, _ = nc.Write([]byte(c.says))
			}
			accepted <- nc
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := (&Dialer{Target: target}).Connect(ctx, pgauth.NewCredential("app", pgauth.Secret{}))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || Permanent(err) {
			t.Errorf("%s: got %v, want the end of the context", c.name, err)
		}
		if nc := <-accepted; nc != nil {
			_ = nc.Close()
		}
	}
}

func TestConnect_RefusesAnSSLModeItDoesNotKnow(t *testing.T) {
	target, came := answerTLS(t, "S")
	target.SSLMode = "verify-fully"
	if _, err := connect(t, target); !errors.Is(err, errTarget) || !Permanent(err) {
		t.Errorf("got %v", err)
	}
	came()
}

func TestConnect_IsBoundedByConnectTimeout(t *testing.T) {
	_, target := listen(t)
	target.ConnectTimeout = 20 * time.Millisecond
	_, err := connect(t, target)
	if !errors.Is(err, context.DeadlineExceeded) || Permanent(err) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
}

// answerTLS accepts connections until the test ends and gives each the answer to its SSLRequest; the returned function tells
// how many came.
func answerTLS(t *testing.T, answer string) (target Target, came func() int) {
	l, target := listen(t)
	var count int
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			count++
			request := make([]byte, 8)
			if _, err := io.ReadFull(nc, request); err == nil && binary.BigEndian.Uint32(request[4:]) == sslRequest {
				_, _ = nc.Write([]byte(answer))
			}
			_ = nc.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, nc)
			_ = nc.Close()
		}
	}()
	return target, func() int {
		_ = l.Close()
		<-done
		return count
	}
}

func TestConnect_JudgesTheAnswerToSSLRequest(t *testing.T) {
	refusal := msg('E', "SFATAL\x00C53300\x00Mtoo many\x00\x00")
	for _, c := range []struct {
		name, answer string
		mode         SSLMode
		dials        int
		want         string
	}{
		{"none, required", "N", SSLRequire, 1, "does not offer TLS"},
		{"error", refusal, SSLRequire, 1, "unauthenticated"},
		{"error, preferred", refusal, SSLPrefer, 1, "unauthenticated"},
		{"error cut short", refusal[:9], SSLRequire, 1, "EOF"},
		{"hang-up", "", SSLRequire, 1, "EOF"},
		{"nonsense", "?", SSLRequire, 1, "malformed"},
		{"plain text after S", "S" + good, SSLRequire, 1, "handshake"},
		{"plain text after S, preferred", "S" + good, SSLPrefer, 2, "before that"},
	} {
		target, came := answerTLS(t, c.answer)
		target.SSLMode = c.mode
		conn, err := connect(t, target)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", c.name, conn, err, c.want)
		}
		var e *ServerError
		if errors.As(err, &e) {
			t.Errorf("%s: a stranger's words became a ServerError: %v", c.name, e)
		}
		if got := came(); got != c.dials {
			t.Errorf("%s: got %d connections, want %d", c.name, got, c.dials)
		}
	}
}

func TestStartupMessage_RefusesWhatWouldSmuggle(t *testing.T) {
	for name, c := range map[string]struct {
		user   string
		params map[string]string
	}{
		"zero in the user":   {"app\x00database\x00other", nil},
		"zero in a name":     {"app", map[string]string{"a\x00b": "c"}},
		"zero in a value":    {"app", map[string]string{"a": "b\x00c"}},
		"a second user":      {"app", map[string]string{"user": "root"}},
		"a second database":  {"app", map[string]string{"database": "other"}},
		"a nameless setting": {"app", map[string]string{"": "x"}},
		"no user":            {"", nil},
	} {
		if got, err := login(script(good), Target{RuntimeParams: c.params}, pgauth.NewCredential(c.user, pgauth.Secret{})); !errors.Is(err, errTarget) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func FuzzLogin(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(msg('E', "SFATAL\x00C28P01\x00Mm\x00\x00")))
	f.Add([]byte(msg('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00") + msg('R', "\x00\x00\x00\x0br=x,s=c2FsdA==,i=1")))
	f.Add([]byte(msg('v', "\x00\x03\x00\x00\x00\x00\x00\x00") + msg('R', "\x00\x00\x00\x05salt") + good))
	f.Fuzz(func(t *testing.T, answer []byte) {
		s := script(string(answer))
		conn, err := loginTo(s)
		if (conn == nil) != (err != nil) {
			t.Fatalf("got %v and %v", conn, err)
		}
		if conn != nil && (len(conn.Secret) > 256 || len(conn.Params) > maxParams) {
			t.Fatalf("got out of bounds: %d bytes of secret, %d parameters", len(conn.Secret), len(conn.Params))
		}
		if err != nil {
			_ = Permanent(err)
		}
	})
}

// endless is a connection that says the same for ever.
type endless struct {
	net.Conn // nil: nothing else is used
	said     []byte
	bytes    int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for len(b)-n >= len(e.said) {
		n += copy(b[n:], e.said)
	}
	e.bytes += n
	return n, nil
}

func (e *endless) Write(b []byte) (int, error) { return len(b), nil }

// What is small on the wire may be large in memory, and who says nothing at length is to be left as well.
func TestQuery_AnEndlessResultIsGivenUpByWhatItTakesInMemory(t *testing.T) {
	for name, c := range map[string]struct {
		said  string
		bytes int // that may be read at most
	}{
		"rows without columns":  {msg('D', "\x00\x00"), maxResult / 8},
		"rows of NULLs":         {msg('D', "\x00\xc8"+strings.Repeat("\xff\xff\xff\xff", 200)), maxResult / 4},
		"messages of no length": {msg('I', ""), maxResult / 10},
		"rows":                  {msg('D', "\x00\x01\x00\x00\x03\xe8"+strings.Repeat("x", 1000)), maxResult},
	} {
		t.Run(name, func(t *testing.T) {
			e := &endless{said: []byte(c.said)}
			_, err := (&Conn{NC: e}).Query("select")
			if !errors.Is(err, pgwire.ErrLength) {
				t.Errorf("got %v, want %v", err, pgwire.ErrLength)
			}
			if e.bytes > c.bytes {
				t.Errorf("%d bytes were read, want %d at most", e.bytes, c.bytes)
			}
		})
	}
}
