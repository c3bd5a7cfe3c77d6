package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/config"
	"overdrive/proxy/proxytest"
)

// reloadable is a configuration for the server that tests share, with two users of Overdrive and one database, or more.
func reloadable(t *testing.T, databases ...string) string {
	text := "auth: {method: password, users: {app: pw, boss: pw}}\nadmin: {users: [boss]}\ndatabases:\n"
	for _, name := range databases {
		text += fmt.Sprintf("  %s: {url: \"postgres://postgres@%s/postgres\", users: [app, boss], pool: {size: 3}}\n", name, proxytest.SharedPostgres(t).Addr())
	}
	return text
}

func dsnOf(s *service, user, password, database string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", user, password, s.address, database)
}

// rewrite changes a file as editors do, by a new one in its place.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// execute runs statements by simple protocol.
func execute(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// reload has the console reload, and returns its error.
func (s *service) reload() error {
	conn, err := pgconn.Connect(s.t.Context(), dsnOf(s, "boss", "pw", "overdrive"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(s.t.Context())
	_, err = conn.Exec(s.t.Context(), "RELOAD").ReadAll()
	return err
}

func TestReload_DatabasesComeAndGo(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one", "two"))
	s, _ := serveHere(t, "--config", path)
	stays, goes := login(t, dsnOf(s, "app", "pw", "one")), login(t, dsnOf(s, "app", "pw", "two"))
	query(t, stays, "select 1")
	execute(t, goes, "begin; select 1")

	rewrite(t, path, reloadable(t, "one", "three"))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	query(t, login(t, dsnOf(s, "app", "pw", "three")), "select 1")
	wantRefusal(t, dsnOf(s, "app", "pw", "two"), "3D000")
	query(t, stays, "select 1")
	query(t, goes, "select 2") // whose transaction is open
	execute(t, goes, "select 3; commit")
	_, err := goes.Exec(t.Context(), "select 1").ReadAll()
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code != "57P01" || !strings.Contains(told.Message, `"two" is not served any more`) {
		t.Errorf("the client of a database that is gone reads %v", err)
	}
}

func TestReload_FollowsAFileThatChanges(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	rewrite(t, path, reloadable(t, "one", "two"))
	if changed := s.await("reloaded")["changed"]; !strings.Contains(changed.(string), "databases.two.url") {
		t.Errorf("changed: %v", changed)
	}
	query(t, login(t, dsnOf(s, "app", "pw", "two")), "select 1")
}

// What is trusted from now on is kept from now on, and what is trusted no more is neither kept nor served.
func TestReload_TrustedFunctionsAreFollowed(t *testing.T) {
	pg := proxytest.SharedPostgres(t)
	pg.Exec("create schema if not exists trusting; create or replace function trusting.slug(text) returns text language plpgsql immutable as 'begin return lower($1); end'")
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	conn := login(t, dsnOf(s, "app", "pw", "one"))
	trusting := strings.Replace(reloadable(t, "one"), "pool: {", "cache: {trusted_functions: [trusting.slug]}, pool: {", 1)
	for _, c := range []struct {
		text string
		hit  bool
	}{{trusting, true}, {reloadable(t, "one"), false}, {trusting, true}} {
		rewrite(t, path, c.text)
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			query(t, conn, "select trusting.slug('A')")
			status := query(t, conn, "show overdrive.status")
			if c.hit && status == "hit" || !c.hit && status == "uncacheable" {
				break
			}
			if !c.hit && status == "hit" || time.Now().After(deadline) {
				t.Fatalf("trusted %v: the status is %s", c.hit, status)
			}
		}
	}
}

// Kubernetes exchanges a link to a directory, so neither the file nor the link to it changes.
func TestReload_FollowsALinkThatIsExchanged(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"..1": reloadable(t, "one"), "..2": reloadable(t, "one", "two")} {
		if err := errors.Join(os.Mkdir(dir+"/"+name, 0o700), os.WriteFile(dir+"/"+name+"/o.yaml", []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..1", dir+"/..data"), os.Symlink("..data/o.yaml", dir+"/o.yaml")); err != nil {
		t.Fatal(err)
	}
	s, _ := serveHere(t, "--config", dir+"/o.yaml")
	if err := errors.Join(os.Symlink("..2", dir+"/..new"), os.Rename(dir+"/..new", dir+"/..data")); err != nil {
		t.Fatal(err)
	}
	s.await("reloaded")
	query(t, login(t, dsnOf(s, "app", "pw", "two")), "select 1")
}

func TestReload_ABadFileChangesNothingAndSaysEveryProblem(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	rewrite(t, path, reloadable(t, "one", "two")+"limits: {max_clients: -1}\nnosuch: 1\n")
	err := s.reload()
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code != "F0000" || !strings.Contains(told.Message, "max_clients") || !strings.Contains(told.Message, "nosuch") {
		t.Errorf("RELOAD: %v", err)
	}
	wantRefusal(t, dsnOf(s, "app", "pw", "two"), "3D000")
	query(t, login(t, dsnOf(s, "app", "pw", "one")), "select 1")
}

func TestReload_UsersAndPasswordsCountFromTheNextLoginOn(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	before := login(t, dsnOf(s, "app", "pw", "one"))
	rewrite(t, path, strings.Replace(reloadable(t, "one"), "app: pw", "app: other", 1))
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	query(t, before, "select 1")
	wantRefusal(t, dsnOf(s, "app", "pw", "one"), "28P01")
	query(t, login(t, dsnOf(s, "app", "other", "one")), "select 1")
}

func TestReload_SaysWhatNeedsARestart(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	rewrite(t, path, reloadable(t, "one")+"loops: 3\ncache: {memory: 64MiB}\n")
	if got := s.await("these keys count when the program starts again")["keys"]; got != "loops" {
		t.Errorf("named: %v", got)
	}
}

func TestReload_ListenersComeAndGo(t *testing.T) {
	socket := t.TempDir()
	path := file(t, "o.yaml", reloadable(t, "one")+"http: \"127.0.0.1:0\"\nlog: {format: json}\nlisten: [\"127.0.0.1:0\"]\n")
	s, _ := serveConfigured(t, path)
	conn := login(t, dsnOf(s, "app", "pw", "one"))
	rewrite(t, path, reloadable(t, "one")+"http: \"127.0.0.1:0\"\nlog: {format: json}\nlisten: [\""+socket+"\"]\n")
	s.await("not listening any more")
	query(t, conn, "select 1")
	if _, err := pgconn.Connect(t.Context(), dsnOf(s, "app", "pw", "one")); err == nil {
		t.Error("the old address still takes clients")
	}
	query(t, login(t, "postgres://app:pw@/one?sslmode=disable&port=6432&host="+socket), "select 1")
}

// A crowd works through a proxy while everything is reloaded that can be: each of its clients writes a row of its own in a transaction, with a
// line in a history, and reads what it has written, from the cache where that has it.
type reloadCrowd struct {
	t       *testing.T
	s       *service
	secure  string // the parameters of a DSN for TLS
	stop    atomic.Bool
	done    atomic.Int64 // transactions
	clients sync.WaitGroup
}

// dsn is for a client with a password.
func (c *reloadCrowd) dsn(password string) string {
	return fmt.Sprintf("postgres://app:%s@%s/one?%s", password, c.s.address, c.secure)
}

// work has the i-th client work until the crowd is stopped.
func (c *reloadCrowd) work(conn *pgconn.PgConn, i int) {
	for n := 1; !c.stop.Load(); n++ {
		write := fmt.Sprintf("begin; update reload_under_load set n = n + 1 where id = %d; insert into reload_history values (%d, %d); commit", i, i, n)
		if _, err := conn.Exec(c.t.Context(), write).ReadAll(); err != nil {
			c.t.Errorf("client %d: %v", i, err)
			return
		}
		for range 3 {
			got, err := firstRow(c.t.Context(), conn, fmt.Sprintf("select n from reload_under_load where id = %d", i))
			if err != nil || len(got) != 1 || got[0] != fmt.Sprint(n) {
				c.t.Errorf("client %d reads %q, %v, want %d", i, got, err, n)
				return
			}
		}
		c.done.Add(1)
	}
}

// goesOn waits until the crowd has done as many transactions as it has clients.
func (c *reloadCrowd) goesOn(clients int) {
	c.t.Helper()
	before := c.done.Load()
	for deadline := time.Now().Add(time.Minute); c.done.Load() < before+int64(clients); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) || c.t.Failed() {
			c.t.Fatal("clients got no further")
		}
	}
}

// Clients work while everything is reloaded that can be, again and again: none of them notices. Certificate and password are new each time,
// and whoever logs in then proves it. OVERDRIVE_RELOADS is how often (10); the crowd is of 50 where it is set, and else of 8.
func TestReload_UnderLoadNobodyNotices(t *testing.T) {
	reloads, clients := 10, 8
	if testing.Short() {
		reloads = 3
	}
	if text := os.Getenv("OVERDRIVE_RELOADS"); text != "" {
		reloads, _ = strconv.Atoi(text)
		clients = 50
	}
	ca := newAuthority(t)
	renew := func() {
		ca.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	}
	renew()
	withTLS := func(text string) string {
		return text + fmt.Sprintf("tls: {mode: prefer, cert_file: %s, key_file: %s}\n", ca.file("server.crt"), ca.file("server.key"))
	}
	path := file(t, "o.yaml", withTLS(reloadable(t, "one")))
	s, _ := serveHere(t, "--config", path)
	c := &reloadCrowd{t: t, s: s, secure: "sslmode=verify-full&sslrootcert=" + ca.file("ca.crt")}
	setup := login(t, c.dsn("pw"))
	execute(t, setup, fmt.Sprintf("drop table if exists reload_under_load, reload_history; create table reload_under_load (id int primary key, n int); "+
		"create table reload_history (id int, n int); insert into reload_under_load select i, 0 from generate_series(1, %d) i", clients))
	for i := range clients {
		conn := login(t, c.dsn("pw"))
		c.clients.Go(func() { c.work(conn, i+1) })
	}
	serials := make(map[string]bool)
	for n := range reloads {
		renew()
		rewrite(t, path, withTLS(reloaded(t, n)))
		if err := s.reload(); err != nil {
			t.Fatal(err)
		}
		conn := login(t, c.dsn(fmt.Sprint("pw", n)))
		serials[conn.Conn().(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()] = true
		conn.Close(t.Context())
		wantRefusal(t, c.dsn(fmt.Sprint("pw", n-1)), "28P01")
		c.goesOn(clients)
	}
	c.stop.Store(true)
	c.clients.Wait()
	if len(serials) != reloads {
		t.Errorf("%d certificates were seen in %d reloads", len(serials), reloads)
	}
	if got := query(t, setup, "select sum(n) = (select count(*) from reload_history) from reload_under_load"); got != "t" {
		t.Error("writes were lost")
	}
	t.Logf("%d transactions of %d clients during %d reloads", c.done.Load(), clients, reloads)
}

// reloaded is the n-th configuration: nearly everything is another.
func reloaded(t *testing.T, n int) string {
	text := reloadable(t, "one", fmt.Sprint("extra", n%3))
	text = strings.Replace(text, "app: pw", fmt.Sprint("app: pw", n), 1)
	text = strings.Replace(text, "size: 3", fmt.Sprint("size: ", 2+n%3), 1)
	text = strings.Replace(text, "pool: {size", fmt.Sprintf("cache: {max_age: %ds}, pool: {wait_timeout: %ds, size", 10+n, 20+n), -1)
	text = strings.Replace(text, "/postgres\"", fmt.Sprintf("/postgres?application_name=reload%d\"", n), 1)
	return text + fmt.Sprintf("limits: {max_clients: %d}\ncache: {memory: %dMiB}\n", 200+n, 64+n)
}

func TestChangedKeys_AreThoseThatDiffer(t *testing.T) {
	t.Parallel()
	before, after := config.Default(), config.Default()
	after.Loops, after.Limits.MaxClients = 3, 7
	changed, fixed := changedKeys(before, after)
	if want := []string{"limits.max_clients", "loops"}; !slices.Equal(changed, want) || !slices.Equal(fixed, want[1:]) {
		t.Errorf("changed %v, of which fixed %v", changed, fixed)
	}
}

func TestWatcher_WaitsUntilAFileStaysTheSame(t *testing.T) {
	t.Parallel()
	path := file(t, "x", "1")
	w := newWatcher(func() []string { return []string{path} })
	for i, step := range []struct {
		text    string
		changed bool
	}{{"", false}, {"22", false}, {"333", false}, {"", true}, {"", false}, {"gone", false}, {"", true}} {
		switch step.text {
		case "":
		case "gone":
			os.Remove(path)
		default:
			rewrite(t, path, step.text)
		}
		if got := w.look(); got != step.changed {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
