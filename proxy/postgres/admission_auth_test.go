package postgres_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/proxytest"
)

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
func login(tb testing.TB, in *rig.Instance, edits ...func(*pgconn.Config)) (types string, err error) {
	tb.Helper()
	var read bytes.Buffer
	config := in.Config(tb, "postgres", edits...)
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return recorder{nc, &read}, err
	}
	c, err := pgconn.ConnectConfig(tb.Context(), &config.Config)
	if err == nil {
		rig.CloseConn(c)
	}
	types, _ = untilReady(&read)
	return types, err
}

// Whoever guesses learns nothing but that it was wrong: not even whether the name exists.
func TestAdmission_WrongPasswordAndUnknownUserLookTheSame(t *testing.T) {
	t.Parallel()
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	pg.Exec("set password_encryption = 'scram-sha-256'; drop role if exists verified; create role verified password 'sesame'")
	verifier := rig.Ask(t, rig.Direct(t, pg, "postgres"), "select rolpassword from pg_authid where rolname = 'verified'")
	digest := md5.Sum([]byte("sesamehashed"))
	users := rig.UserList(t, map[string]string{
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
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
			new(rig.Captured).Capture(o)
			o.AuthMethod, o.Users = c.method, users
			o.Databases[0].Users = []string{"plain", "hashed", "verified"}
		}})
		for _, user := range c.right {
			if _, err := login(t, in, rig.As(user, "sesame")); err != nil {
				t.Errorf("%v: %s with the right password: %v", c.method, user, err)
			}
		}
		want, err := login(t, in, rig.As("plain", "wrong"))
		rig.WantState(t, err, "28P01")
		for _, wrong := range []struct{ user, password string }{
			{"plain", "wrong"}, {"plain", ""}, {"hashed", "wrong"}, {"nobody", "sesame"}, {"nobody", ""},
		} {
			got, err := login(t, in, rig.As(wrong.user, wrong.password))
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
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.Users = rig.UserList(t, map[string]string{"postgres": "", "other": ""})
	}})
	if got, err := login(t, in); err != nil || !loggedIn.MatchString(got) {
		t.Errorf("got %s and %v, want %s", got, err, loggedIn)
	}
	_, err := login(t, in, rig.As("stranger", ""))
	rig.WantState(t, err, "28P01")
	_, err = login(t, in, rig.As("other", "")) // known, but not for this database
	rig.WantState(t, err, "28000")
}

func TestAdmission_DatabaseDefaultsToTheUserAndIsNotRevealedToStrangers(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.AuthMethod, o.Users = pgauth.MethodSCRAM, rig.UserList(t, map[string]string{"postgres": "sesame"})
	}})
	c := in.Connect(t, "", rig.As("postgres", "sesame"))
	if got := rig.Ask(t, c, "select current_database()"); got != "postgres" {
		t.Errorf("got database %q, want the user's name", got)
	}
	nowhere := func(c *pgconn.Config) { c.Database = "nowhere" }
	known, err := login(t, in, rig.As("postgres", "wrong"))
	rig.WantState(t, err, "28P01")
	unknown, err := login(t, in, rig.As("postgres", "wrong"), nowhere)
	rig.WantState(t, err, "28P01")
	if known != unknown {
		t.Errorf("got messages %s for an unknown database, want %s as for a known one", unknown, known)
	}
	_, err = login(t, in, rig.As("postgres", "sesame"), nowhere)
	rig.WantState(t, err, "3D000")
	_, err = login(t, in, rig.As("", "sesame"), func(c *pgconn.Config) { c.User = "" })
	rig.WantState(t, err, "28000")
}

func TestAdmission_ClientsBeyondTheLimitAreTurnedAwayUntilSomebodyLeaves(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		log.Capture(o)
		o.MaxClients = 2
	}})
	for range 5 { // who fails to get in takes nobody's place
		_, err := login(t, in, func(c *pgconn.Config) { c.Database = "nowhere" })
		rig.WantState(t, err, "3D000")
	}
	for round := range 20 { // a client that is in, or was turned away, is counted once or not at all
		first, second := in.Connect(t, "postgres"), in.Connect(t, "postgres")
		_, err := login(t, in)
		rig.WantState(t, err, "53300")
		if got := rig.Ask(t, first, "select 1"); got != "1" {
			t.Fatalf("got %q, want 1", got)
		}
		rig.CloseConn(first)
		third := connectWhenFree(t, in, &log, 3*round+1)
		rig.CloseConn(second)
		rig.CloseConn(third)
		rig.Await(t, "both to be gone", func() bool { return log.Count("session ended") == 3*round+3 })
	}
}

// connectWhenFree logs in after so many sessions have ended.
func connectWhenFree(tb testing.TB, in *rig.Instance, log *rig.Captured, ended int) *pgconn.PgConn {
	tb.Helper()
	rig.Await(tb, "a client to be gone", func() bool { return log.Count("session ended") == ended })
	return in.Connect(tb, "postgres")
}

// A client that does not get through its login in time is cut off, wherever it stands.
func TestAdmission_LoginTimeoutEndsTheSilent(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	serverTLS, _ := rig.Authority(t)
	startup := proxytest.StartupMessage(proxytest.Login{User: "postgres"})
	for name, said := range map[string][]byte{
		"nothing":              nil,
		"half a length":        startup[:2],
		"half a startup":       startup[:len(startup)-1],
		"no password":          startup,
		"no handshake":         rig.Opener(rig.SslRequest),
		"no startup after GSS": rig.Opener(rig.GssRequest),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log rig.Captured
			in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
				log.Capture(o)
				o.AuthMethod, o.LoginTimeout = pgauth.MethodPassword, 200*time.Millisecond
				o.TLS, o.TLSMode = serverTLS, postgres.TLSPrefer
			}})
			began := time.Now()
			nc := in.Raw(t)
			if _, err := nc.Write(said); err != nil {
				t.Fatal(err)
			}
			untilReady(nc)
			if took := time.Since(began); took < 200*time.Millisecond || took > rig.Patience/2 {
				t.Errorf("was cut off after %v, want 200ms or a little more", took)
			}
			log.Await(t, "client refused", "client="+nc.LocalAddr().String(), "timeout")
		})
	}
}

// When no server can be had, a client hears the server's own reason at login, and at once.
func TestAdmission_UpstreamsRefusalReachesEveryClient(t *testing.T) {
	t.Parallel()
	pg := proxytest.StartPostgres(t, proxytest.WithHBA("host all all 127.0.0.1/32 scram-sha-256"))
	pg.Exec("create role app login password 'right'")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.Databases[0].Target.User, o.Databases[0].Target.Password = "app", "wrong"
		o.Databases[0].Users = []string{"postgres"}
		o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: time.Minute}
	}})
	began := time.Now()
	for range 3 {
		_, err := login(t, in)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "08006" || !strings.Contains(e.Message, "the proxy's own login") ||
			!strings.Contains(e.Message, `password authentication failed for user "app"`) {
			t.Errorf("got %v, want the server's own words, and whose login they are about", err)
		}
	}
	if took := time.Since(began); took > rig.Patience {
		t.Errorf("three refusals took %v", took)
	}
	pg.Exec("alter role app password 'wrong'")
	rig.Await(t, "logins after the password was mended", func() bool {
		_, err := login(t, in)
		return err == nil
	})
}
