package proxy_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/pgauth"
	"overdrive/proxy/proxytest"
)

// userList finds secrets as they are written in a user list.
func userList(tb testing.TB, texts map[string]string) func(string) (pgauth.Secret, bool) {
	tb.Helper()
	secrets := make(map[string]pgauth.Secret)
	for user, text := range texts {
		secret, err := pgauth.ParseSecret(text)
		if err != nil {
			tb.Fatal(err)
		}
		secrets[user] = secret
	}
	return func(user string) (pgauth.Secret, bool) {
		secret, ok := secrets[user]
		return secret, ok
	}
}

// as logs in under a name with a password.
func as(user, password string) func(*pgconn.Config) {
	return func(c *pgconn.Config) { c.User, c.Password = user, password }
}

// recorder keeps what a client read.
type recorder struct {
	net.Conn
	read *bytes.Buffer
}

func (r recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read.Write(b[:n])
	return n, err
}

// login tries a login and returns the types of all messages that the client got up to its end.
func (in *instance) login(tb testing.TB, edits ...func(*pgconn.Config)) (types string, err error) {
	tb.Helper()
	var read bytes.Buffer
	config := in.config(tb, "postgres", edits...)
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return recorder{nc, &read}, err
	}
	c, err := pgconn.ConnectConfig(tb.Context(), &config.Config)
	if err == nil {
		closeConn(c)
	}
	types, _ = untilReady(&read)
	return types, err
}

// Whoever guesses learns nothing but that it was wrong: not even whether the name exists.
func TestAdmission_WrongPasswordAndUnknownUserLookTheSame(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	pg.Exec("set password_encryption = 'scram-sha-256'; drop role if exists verified; create role verified password 'sesame'")
	verifier := ask(t, direct(t, pg, "postgres"), "select rolpassword from pg_authid where rolname = 'verified'")
	digest := md5.Sum([]byte("sesamehashed"))
	users := userList(t, map[string]string{
		"plain": "sesame", "hashed": "md5" + hex.EncodeToString(digest[:]), "verified": verifier,
	})
	for _, c := range []struct {
		method pgauth.Method
		right  []string // users whose secret serves this method
	}{
		{pgauth.MethodPassword, []string{"plain", "hashed", "verified"}},
		{pgauth.MethodMD5, []string{"plain", "hashed", "verified"}},
		{pgauth.MethodSCRAM, []string{"plain", "verified"}},
	} {
		in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
			new(captured).capture(o)
			o.AuthMethod, o.Users = c.method, users
			o.Databases[0].Users = []string{"plain", "hashed", "verified"}
		}})
		for _, user := range c.right {
			if _, err := in.login(t, as(user, "sesame")); err != nil {
				t.Errorf("%v: %s with the right password: %v", c.method, user, err)
			}
		}
		want, err := in.login(t, as("plain", "wrong"))
		wantState(t, err, "28P01")
		for _, wrong := range []struct{ user, password string }{
			{"plain", "wrong"}, {"plain", ""}, {"hashed", "wrong"}, {"nobody", "sesame"}, {"nobody", ""},
		} {
			got, err := in.login(t, as(wrong.user, wrong.password))
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != "28P01" || e.Severity != "FATAL" ||
				e.Message != fmt.Sprintf("password authentication failed for user %q", wrong.user) || got != want {
				t.Errorf("%v: %+v got messages %s and %v, want %s and the words for a wrong password", c.method, wrong, got, err, want)
			}
		}
	}
}

func TestAdmission_TrustAsksNothingButLetsNoStrangerIn(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
		new(captured).capture(o)
		o.Users = userList(t, map[string]string{"postgres": "", "other": ""})
	}})
	if got, err := in.login(t); err != nil || got != loggedIn {
		t.Errorf("got %s and %v, want %s", got, err, loggedIn)
	}
	_, err := in.login(t, as("stranger", ""))
	wantState(t, err, "28P01")
	_, err = in.login(t, as("other", "")) // known, but not for this database
	wantState(t, err, "28000")
}

func TestAdmission_DatabaseDefaultsToTheUserAndIsNotRevealedToStrangers(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
		new(captured).capture(o)
		o.AuthMethod, o.Users = pgauth.MethodSCRAM, userList(t, map[string]string{"postgres": "sesame"})
	}})
	c := in.connect(t, "", as("postgres", "sesame"))
	if got := ask(t, c, "select current_database()"); got != "postgres" {
		t.Errorf("got database %q, want the user's name", got)
	}
	nowhere := func(c *pgconn.Config) { c.Database = "nowhere" }
	known, err := in.login(t, as("postgres", "wrong"))
	wantState(t, err, "28P01")
	unknown, err := in.login(t, as("postgres", "wrong"), nowhere)
	wantState(t, err, "28P01")
	if known != unknown {
		t.Errorf("got messages %s for an unknown database, want %s as for a known one", unknown, known)
	}
	_, err = in.login(t, as("postgres", "sesame"), nowhere)
	wantState(t, err, "3D000")
	_, err = in.login(t, as("", "sesame"), func(c *pgconn.Config) { c.User = "" })
	wantState(t, err, "28000")
}

func TestAdmission_ClientsBeyondTheLimitAreTurnedAwayUntilSomebodyLeaves(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	var log captured
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
		log.capture(o)
		o.MaxClients = 2
	}})
	for range 5 { // who fails to get in takes nobody's place
		_, err := in.login(t, func(c *pgconn.Config) { c.Database = "nowhere" })
		wantState(t, err, "3D000")
	}
	for round := range 20 { // a client that is in, or was turned away, is counted once or not at all
		first, second := in.connect(t, "postgres"), in.connect(t, "postgres")
		_, err := in.login(t)
		wantState(t, err, "53300")
		if got := ask(t, first, "select 1"); got != "1" {
			t.Fatalf("got %q, want 1", got)
		}
		closeConn(first)
		third := in.connectWhenFree(t, &log, 3*round+1)
		closeConn(second)
		closeConn(third)
		await(t, "both to be gone", func() bool { return log.count("session ended") == 3*round+3 })
	}
}

// connectWhenFree logs in after so many sessions have ended.
func (in *instance) connectWhenFree(tb testing.TB, log *captured, ended int) *pgconn.PgConn {
	tb.Helper()
	await(tb, "a client to be gone", func() bool { return log.count("session ended") == ended })
	return in.connect(tb, "postgres")
}

// A client that does not get through its login in time is cut off, wherever it stands.
func TestAdmission_LoginTimeoutEndsTheSilent(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	serverTLS, _ := authority(t)
	startup := proxytest.StartupMessage(proxytest.Login{User: "postgres"})
	for name, said := range map[string][]byte{
		"nothing":              nil,
		"half a length":        startup[:2],
		"half a startup":       startup[:len(startup)-1],
		"no password":          startup,
		"no handshake":         opener(sslRequest),
		"no startup after GSS": opener(gssRequest),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log captured
			in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
				log.capture(o)
				o.AuthMethod, o.LoginTimeout = pgauth.MethodPassword, 200*time.Millisecond
				o.TLS, o.TLSMode = serverTLS, proxy.TLSPrefer
			}})
			began := time.Now()
			nc := in.raw(t)
			if _, err := nc.Write(said); err != nil {
				t.Fatal(err)
			}
			untilReady(nc)
			if took := time.Since(began); took < 200*time.Millisecond || took > patience/2 {
				t.Errorf("was cut off after %v, want 200ms or a little more", took)
			}
			log.await(t, "client refused", "client="+nc.LocalAddr().String(), "timeout")
		})
	}
}

// When no server can be had, a client hears the server's own reason at login, and at once.
func TestAdmission_UpstreamsRefusalReachesEveryClient(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	pg.Exec("create role app login password 'right'")
	in := start(t, setup{upstream: pg.Addr(), database: "postgres", size: 2, options: func(o *proxy.Options) {
		new(captured).capture(o)
		o.Databases[0].Target.User, o.Databases[0].Target.Password = "app", "wrong"
		o.Databases[0].Users = []string{"postgres"}
		o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: time.Minute}
	}})
	began := time.Now()
	for range 3 {
		_, err := in.login(t)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "28P01" || e.Message != `password authentication failed for user "app"` {
			t.Errorf("got %v, want the server's own words", err)
		}
	}
	if took := time.Since(began); took > patience {
		t.Errorf("three refusals took %v", took)
	}
	pg.Exec("alter role app password 'wrong'")
	await(t, "logins after the password was mended", func() bool {
		_, err := in.login(t)
		return err == nil
	})
}
