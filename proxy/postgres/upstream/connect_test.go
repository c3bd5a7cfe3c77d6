package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"overdrive/proxy/postgres/pgauth"
)

// codeOf is the SQLSTATE within an error.
func codeOf(err error) string {
	var e *ServerError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestConnect_LogsInByEveryMethod(t *testing.T) {
	p := serverWithTLS(t)
	for _, role := range []string{"trusted", "clear", "hashed", "scram"} {
		conn, err := connect(t, p.target(t, role, "disable", "application_name=me&options=-c%20work_mem%3D1MB&require_auth=none,password,md5,scram-sha-256"))
		if err != nil {
			t.Errorf("%s: %v", role, err)
			continue
		}
		if conn.PID == 0 || len(conn.Secret) != 4 {
			t.Errorf("%s: got PID %d and %d bytes of secret", role, conn.PID, len(conn.Secret))
		}
		if got := conn.Params["application_name"]; got != "me" || conn.Params["server_version"] == "" {
			t.Errorf("%s: got parameters %q", role, conn.Params)
		}
		if err := query(conn, "SELECT 1/(current_setting('work_mem') = '1MB')::int"); err != nil {
			t.Errorf("%s: options did not arrive: %v", role, err)
		}
	}
}

func TestConnect_WorksOverAUnixSocketWhateverTheSSLMode(t *testing.T) {
	p := serverWithTLS(t)
	for _, mode := range []string{"disable", "prefer", "verify-full"} {
		target := Target{Host: p.dir, Port: p.port, User: "trusted", Database: "shop", SSLMode: SSLMode(mode)}
		if conn, err := connect(t, target); err != nil {
			t.Errorf("%s: %v", mode, err)
		} else if _, ok := conn.NC.(*net.UnixConn); !ok {
			t.Errorf("%s: got a %T", mode, conn.NC)
		}
	}
}

func TestConnect_SaysWhyTheServerRefused(t *testing.T) {
	p := serverWithTLS(t)
	for _, c := range []struct {
		name, role string
		change     func(*Target)
		code       string
		permanent  bool
	}{
		{"wrong password", "scram", func(t *Target) { t.Password = "guess" }, "28P01", true},
		{"wrong password, md5", "hashed", func(t *Target) { t.Password = "guess" }, "28P01", true},
		{"wrong password, cleartext", "clear", func(t *Target) { t.Password, t.RequireAuth = "guess", "password" }, "28P01", true},
		{"unknown user", "nobody", func(*Target) {}, "28P01", true},
		{"unknown database", "scram", func(t *Target) { t.Database = "nowhere" }, "3D000", true},
		{"unknown setting", "scram", func(t *Target) { t.RuntimeParams["nonsense"] = "1" }, "42704", true},
		{"no TLS where it must be", "tlsonly", func(*Target) {}, "28000", true},
		{"too many connections", "crowd", func(*Target) {}, "53300", false},
	} {
		target := p.target(t, c.role, "disable", "")
		c.change(&target)
		_, err := connect(t, target)
		if got := codeOf(err); got != c.code || Permanent(err) != c.permanent {
			t.Errorf("%s: got %v, permanent %v, want SQLSTATE %s", c.name, err, Permanent(err), c.code)
		} else if !strings.Contains(err.Error(), c.role) || strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: error text is %q", c.name, err)
		}
	}
}

func TestConnect_SaysThatItsSecretCannotAnswer(t *testing.T) {
	p := serverWithTLS(t)
	d := &Dialer{Target: p.target(t, "scram", "disable", "")}
	hash, err := pgauth.ParseSecret("md5" + strings.Repeat("0", 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Connect(t.Context(), pgauth.NewCredential("scram", hash)); !errors.Is(err, pgauth.ErrUnsupported) || !Permanent(err) {
		t.Errorf("md5 hash for SCRAM: got %v", err)
	}
	if _, err := d.Connect(t.Context(), pgauth.NewCredential("scram", pgauth.Secret{})); !errors.Is(err, pgauth.ErrPassword) || !Permanent(err) {
		t.Errorf("no password: got %v", err)
	}
	if _, err := d.Connect(t.Context(), pgauth.NewCredential("", pgauth.Secret{})); !Permanent(err) {
		t.Errorf("no user: got %v", err)
	}
}

// PostgreSQL prepares passwords when it stores them; what it made of these must be what we make of them.
func TestConnect_PreparesOddPasswordsAsPostgreSQLDoes(t *testing.T) {
	p := serverWithTLS(t)
	for i, password := range odd {
		target := p.target(t, "odd"+strconv.Itoa(i), "disable", "")
		target.Password = password
		if _, err := connect(t, target); err != nil {
			t.Errorf("password %+q: %v", password, err)
		}
	}
}

func TestConnect_FollowsTheSSLMode(t *testing.T) {
	on, off := serverWithTLS(t), serverWithoutTLS(t)
	ca, stranger := "sslrootcert="+on.dir+"/ca.crt", "sslrootcert="+on.dir+"/stranger.crt"
	const (
		plainly = "plain"
		secured = "TLS"
		refused = "permanent error"
	)
	for _, c := range []struct {
		server            *postgres
		role, mode, query string
		want              string
	}{
		{on, "scram", "disable", "", plainly},
		{on, "scram", "allow", "", plainly},
		{on, "scram", "prefer", "", secured},
		{on, "scram", "require", "", secured},
		{on, "scram", "require", ca, secured},
		{on, "scram", "require", stranger, refused},
		{on, "scram", "verify-ca", ca, secured},
		{on, "scram", "verify-ca", stranger, refused},
		{on, "scram", "verify-ca", "", refused}, // the system does not know our CA
		{on, "scram", "verify-full", ca, secured},
		{on, "scram", "verify-full", stranger, refused},
		{on, "scram", "verify-full", "", refused},
		{on, "scram", "verify-full", "sslrootcert=system", refused},
		{on, "scram", "verify-full", "sslrootcert=/nowhere", refused},
		{on, "scram", "verify-full", "sslrootcert=" + on.dir + "/ca.key", refused},
		{on, "scram", "verify-full", "host=example.com&" + ca, refused},
		{on, "scram", "verify-ca", "host=example.com&" + ca, secured},

		{on, "tlsonly", "disable", "", refused},
		{on, "tlsonly", "allow", "", secured},
		{on, "tlsonly", "prefer", "", secured},
		{on, "plainonly", "prefer", "", plainly},
		{on, "plainonly", "allow", "", plainly},
		{on, "plainonly", "require", "", refused},

		{on, "certified", "require", "", refused},
		{on, "certified", "verify-full", ca + "&sslcert=" + on.dir + "/certified.crt&sslkey=" + on.dir + "/certified.key", secured},
		{on, "certified", "require", "sslcert=/nowhere&sslkey=/nowhere", refused},

		{off, "scram", "disable", "", plainly},
		{off, "scram", "allow", "", plainly},
		{off, "scram", "prefer", "", plainly},
		{off, "scram", "require", "", refused},
		{off, "scram", "verify-ca", ca, refused},
		{off, "scram", "verify-full", ca, refused},
	} {
		conn, err := connect(t, c.server.target(t, c.role, c.mode, c.query))
		got := plainly
		if err != nil {
			got = fmt.Sprintf("passing error %v", err)
			if Permanent(err) {
				got = refused
			}
		} else if _, ok := conn.NC.(*tls.Conn); ok {
			got = secured
		}
		if got != c.want {
			t.Errorf("ssl=%v, %s, sslmode=%s %s: got %s (%v), want %s", c.server == on, c.role, c.mode, c.query, got, err, c.want)
		}
	}
}

func TestConnect_BothAttemptsAreInTheError(t *testing.T) {
	target := serverWithTLS(t).target(t, "tlsonly", "prefer", "")
	target.Password = "guess"
	_, err := connect(t, target)
	if err == nil || !strings.Contains(err.Error(), "28P01") || !strings.Contains(err.Error(), "28000") || !Permanent(err) {
		t.Errorf("got %v, want the errors of both attempts", err)
	}
}

func TestConnect_DoesNotTryAgainWhatWillPass(t *testing.T) {
	for _, mode := range []string{"allow", "prefer"} {
		_, err := connect(t, serverWithTLS(t).target(t, "crowd", mode, ""))
		if codeOf(err) != "53300" || Permanent(err) || strings.Contains(err.Error(), "before that") {
			t.Errorf("%s: got %v, want one attempt and SQLSTATE 53300", mode, err)
		}
	}
}

func TestConnect_ManyLoginsShareOneCredential(t *testing.T) {
	target := serverWithTLS(t).target(t, "scram", "disable", "")
	cred, err := target.Credential()
	if err != nil {
		t.Fatal(err)
	}
	d := &Dialer{Target: target}
	const logins = 8
	errs := make(chan error, logins)
	for range logins {
		go func() {
			conn, err := d.Connect(t.Context(), cred)
			if err == nil {
				err = conn.NC.Close()
			}
			errs <- err
		}()
	}
	for range logins {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// wrapped counts what passes through.
type wrapped struct {
	net.Conn
	read int
}

func (w *wrapped) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.read += n
	return n, err
}

func TestConnect_PutsTheWrapperUnderTLS(t *testing.T) {
	p := serverWithTLS(t)
	for _, mode := range []string{"disable", "require"} {
		target := p.target(t, "scram", mode, "")
		cred, err := target.Credential()
		if err != nil {
			t.Fatal(err)
		}
		var w *wrapped
		d := &Dialer{Target: target, Wrap: func(nc net.Conn) net.Conn {
			w = &wrapped{Conn: nc}
			return w
		}}
		conn, err := d.Connect(t.Context(), cred)
		if err != nil {
			t.Fatal(err)
		}
		got := conn.NC
		if tc, ok := conn.NC.(*tls.Conn); ok {
			got = tc.NetConn()
		}
		if got != net.Conn(w) || w.read == 0 {
			t.Errorf("%s: got %T below, %d bytes read through the wrapper", mode, got, w.read)
		}
		_ = conn.NC.Close()
	}
}

func TestConnect_SocketHasKeepAliveAndNoDelay(t *testing.T) {
	conn, err := connect(t, serverWithTLS(t).target(t, "trusted", "disable", ""))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.NC.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var keepAlive, noDelay int
	_ = raw.Control(func(fd uintptr) {
		keepAlive, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		noDelay, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
	})
	if keepAlive == 0 || noDelay == 0 {
		t.Errorf("got SO_KEEPALIVE %d, TCP_NODELAY %d", keepAlive, noDelay)
	}
}
