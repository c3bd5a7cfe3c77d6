package upstream

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// postgres is a server that runs for the time of one test binary.
type postgres struct {
	dir  string // data, sockets, certificates
	port int
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

// The servers of this test binary; each is started by the first test that wants it and stopped by TestMain.
var servers struct {
	sync.Mutex
	withTLS, withoutTLS *postgres
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, p := range []*postgres{servers.withTLS, servers.withoutTLS} {
		if p != nil {
			p.stop()
		}
	}
	os.Exit(code)
}

// serverWithTLS has ssl = on with a certificate for "localhost" that the CA in dir/ca.crt has signed.
func serverWithTLS(t testing.TB) *postgres {
	servers.Lock()
	defer servers.Unlock()
	if servers.withTLS == nil {
		servers.withTLS = startPostgres(t, true)
	}
	return servers.withTLS
}

func serverWithoutTLS(t testing.TB) *postgres {
	servers.Lock()
	defer servers.Unlock()
	if servers.withoutTLS == nil {
		servers.withoutTLS = startPostgres(t, false)
	}
	return servers.withoutTLS
}

const hostRules = `
local     all  all              trust
local     replication  all      trust
host      all  postgres   all   trust
host      all  trusted    all   trust
host      all  clear      all   password
host      all  hashed     all   md5
hostssl   all  plainonly  all   reject
hostnossl all  tlsonly    all   reject
hostssl   all  certified  all   cert
host      all  all        all   scram-sha-256
`

// The password of a role is its name, unless odd says otherwise.
const roles = `
CREATE ROLE trusted LOGIN; CREATE ROLE certified LOGIN;
CREATE ROLE clear LOGIN PASSWORD 'clear'; CREATE ROLE scram LOGIN PASSWORD 'scram';
CREATE ROLE plainonly LOGIN PASSWORD 'plainonly'; CREATE ROLE tlsonly LOGIN PASSWORD 'tlsonly';
SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'hashed'; RESET password_encryption;
CREATE ROLE crowd LOGIN PASSWORD 'crowd' CONNECTION LIMIT 0;
CREATE DATABASE "shop";
`

// odd are passwords that SASLprep changes or gives up on.
var odd = []string{"пароль", "²½ﬁ", "I\u00adX", "a\u00a0b", "e\u0301", "שלום", "\u06271", "²👍", "²\ue000", "\u200b", "ｆｕｌｌ"}

func startPostgres(t testing.TB, withTLS bool) *postgres {
	t.Helper()
	initdb, err := findBinary("initdb")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "upstream")
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{dir: dir, port: freePort(t), log: new(bytes.Buffer)}
	complete := false
	defer func() {
		if !complete {
			p.stop()
		}
	}()
	if out, err := p.command(t, initdb, "-D", dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	certificates := ""
	if withTLS {
		writeCertificates(t, dir)
		certificates = dir
	}
	rules := hostRules
	if !withTLS {
		rules = strings.ReplaceAll(strings.ReplaceAll(rules, "hostssl", "#"), "hostnossl", "host")
	}
	p.write(t, "data/pg_hba.conf", rules)
	p.own(t)
	p.launch(t, certificates)
	p.sql(t, roles)
	for i, password := range odd {
		p.sql(t, fmt.Sprintf("CREATE ROLE odd%d LOGIN PASSWORD '%s'", i, password))
	}
	complete = true
	return p
}

// launch starts the server, with the certificates of a directory if that is not empty, and waits until it answers.
func (p *postgres) launch(t testing.TB, certificates string) {
	t.Helper()
	binary, err := findBinary("postgres")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-D", p.dir + "/data", "-k", p.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-F"}
	if certificates != "" {
		args = append(args, "-c", "ssl=on", "-c", "ssl_cert_file="+certificates+"/server.crt", "-c", "ssl_key_file="+certificates+"/server.key",
			"-c", "ssl_ca_file="+certificates+"/ca.crt")
	}
	p.cmd = p.command(t, binary, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.awaitReady(t)
}

// findBinary looks where PostgreSQL's programs are on the systems we know.
func findBinary(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return path, nil
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/opt/homebrew/opt/postgresql*/bin/"} {
		found, _ := filepath.Glob(pattern + name)
		if len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", fmt.Errorf("these tests need PostgreSQL's %s: install it (Debian: apt-get install postgresql) or put it on PATH", name)
}

// command runs as an ordinary user, since PostgreSQL refuses to be root.
func (p *postgres) command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...) //nolint:noctx // outlives the test that starts it
	cmd.Dir = p.dir
	if uid, gid, root := ordinaryUser(t); root {
		if err := os.Chown(p.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	return cmd
}

// ordinaryUser reports whether we are root, and who can stand in.
func ordinaryUser(t testing.TB) (uid, gid int, root bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid, true
		}
	}
	t.Fatal("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
	return 0, 0, false
}

func (p *postgres) write(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// own gives all files to the user the server runs as.
func (p *postgres) own(t testing.TB) {
	t.Helper()
	uid, gid, root := ordinaryUser(t)
	if !root {
		return
	}
	err := filepath.WalkDir(p.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// awaitReady tries to log in until it works; the ticker is there because nothing announces the moment.
func (p *postgres) awaitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	d := &Dialer{Target: p.target(t, "postgres", "disable", "")}
	for {
		conn, err := d.Connect(ctx, pgauth.NewCredential("postgres", pgauth.Secret{}))
		if err == nil {
			_ = conn.NC.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not start: %v\n%s", err, p.log)
		}
	}
}

func (p *postgres) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}

// target has the password "<user>" and what query adds.
func (p *postgres) target(t testing.TB, name, sslmode, query string) Target {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	target := Target{
		Host: "localhost", Address: "127.0.0.1", Port: p.port, Database: "postgres", User: name, Password: name,
		SSLMode: SSLMode(sslmode), SSLRootCert: values.Get("sslrootcert"), SSLCert: values.Get("sslcert"),
		SSLKey: values.Get("sslkey"), Demands: Demands{RequireAuth: values.Get("require_auth")}, RuntimeParams: make(map[string]string),
	}
	if values.Has("host") {
		target.Host = values.Get("host")
	}
	for _, name := range []string{"application_name", "options"} {
		if values.Has(name) {
			target.RuntimeParams[name] = values.Get(name)
		}
	}
	return target
}

// sql runs statements as superuser, one simple query each.
func (p *postgres) sql(t testing.TB, statements string) {
	t.Helper()
	conn, err := connect(t, p.target(t, "postgres", "disable", ""))
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(statements, ";") {
		if err := query(conn, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// connect logs in as the target's user and hangs up when the test ends.
func connect(t testing.TB, target Target) (*Conn, error) {
	t.Helper()
	cred, err := target.Credential()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := (&Dialer{Target: target}).Connect(ctx, cred)
	if err == nil {
		t.Cleanup(func() { _ = conn.NC.Close() })
	}
	return conn, err
}

// query sends a simple query and reads to ReadyForQuery.
func query(conn *Conn, sql string) error {
	if _, err := conn.NC.Write(pgwire.AppendString(nil, pgwire.Query, sql)); err != nil {
		return err
	}
	var failed error
	for {
		typ, body, err := readMessage(conn.NC, maxMessage)
		switch {
		case err != nil:
			return err
		case typ == 'E':
			failed = parseServerError(body)
		case typ == 'Z':
			return failed
		}
	}
}

// writeCertificates makes a CA, a server certificate for localhost, a client certificate for the role "certified", and a CA
// that has signed nothing.
func writeCertificates(t testing.TB, dir string) {
	t.Helper()
	ca, caKey := writeCertificate(t, dir, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true}, nil, nil)
	writeCertificate(t, dir, "server", &x509.Certificate{DNSNames: []string{"localhost"}}, ca, caKey)
	writeCertificate(t, dir, "certified", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca, caKey)
	writeCertificate(t, dir, "stranger", &x509.Certificate{IsCA: true, BasicConstraintsValid: true}, nil, nil)
}

func writeCertificate(t testing.TB, dir, name string, c, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		parent, signer = c, own
	}
	writeCertificateOf(t, dir, name, own, c, parent, signer)
	return c, own
}

// writeCertificateOf writes the certificate of a key, and the key.
func writeCertificateOf(t testing.TB, dir, name string, own crypto.Signer, c, parent *x509.Certificate, signer crypto.Signer) {
	t.Helper()
	c.Subject, c.SerialNumber = pkix.Name{CommonName: name}, big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
