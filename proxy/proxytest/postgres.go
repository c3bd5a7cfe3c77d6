package proxytest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"overdrive/proxy/proxytest/pglocal"
)

// Postgres is a real PostgreSQL server for one test. Its failures end the test.
type Postgres struct {
	*pglocal.Server
	tb testing.TB
}

// Option changes how a server is started.
type Option func(*pglocal.Options)

// WithMaxConnections sets max_connections.
func WithMaxConnections(n int) Option {
	return func(o *pglocal.Options) { o.MaxConnections = n }
}

// WithHBA replaces trust for everybody by these lines of pg_hba.conf.
func WithHBA(lines ...string) Option {
	return func(o *pglocal.Options) { o.HBA = append(o.HBA, lines...) }
}

// WithSetting sets any other setting.
func WithSetting(name, value string) Option {
	return func(o *pglocal.Options) {
		if o.Settings == nil {
			o.Settings = make(map[string]string)
		}
		o.Settings[name] = value
	}
}

// StartPostgres starts a server that is stopped when the test ends. Without PostgreSQL's programs the test fails, with
// the advice what to install: a test that is skipped proves nothing.
func StartPostgres(tb testing.TB, opts ...Option) *Postgres {
	tb.Helper()
	var o pglocal.Options
	for _, opt := range opts {
		opt(&o)
	}
	server, err := pglocal.Start(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return &Postgres{Server: server, tb: tb}
}

// Exec runs the statements of sql in the database postgres as the superuser.
func (p *Postgres) Exec(sql string) {
	p.tb.Helper()
	p.ExecIn("postgres", sql)
}

// ExecIn runs the statements of sql in the given database as the superuser.
func (p *Postgres) ExecIn(database, sql string) {
	p.tb.Helper()
	if err := p.Server.Exec(context.Background(), database, sql); err != nil {
		p.tb.Fatalf("in %s: %v\n%s", database, err, sql)
	}
}

// Restart ends the server and starts it again on the same port with the same data.
func (p *Postgres) Restart() {
	p.tb.Helper()
	if err := p.Server.Restart(context.Background()); err != nil {
		p.tb.Fatal(err)
	}
}

// Dial connects to the server as the superuser.
func (p *Postgres) Dial(database string) *Wire {
	p.tb.Helper()
	w, err := Dial(p.tb.Context(), p.Addr(), Login{User: pglocal.Superuser, Database: database})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(func() { w.Close() })
	return w
}

var shared struct {
	sync.Mutex // guards the fields below
	server     *pglocal.Server
	apart      map[string]*Postgres // by the name of the test that changes its cluster
}

// SharedPostgres returns the one server that all tests of this binary share, starting it for the first. Tests that use
// it keep to databases and tables of their own, and do not stop or restart it. Main stops it.
func SharedPostgres(tb testing.TB) *Postgres {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	for name, more := tb.Name(), true; more; {
		if pg := shared.apart[name]; pg != nil {
			return &Postgres{Server: pg.Server, tb: tb}
		}
		at := strings.LastIndexByte(name, '/')
		if more = at >= 0; more {
			name = name[:at]
		}
	}
	if shared.server == nil {
		server, err := pglocal.Start(tb.Context(), pglocal.Options{Settings: map[string]string{
			"log_statement": "ddl", "log_line_prefix": "%d: ", // for changesOfCluster
		}})
		if err != nil {
			tb.Fatal(err)
		}
		shared.server = server
	}
	return &Postgres{Server: shared.server, tb: tb}
}

// ChangesCluster says that the test changes roles, or what else all databases of a server have in common: whoever keeps
// answers of another database would notice. From now on SharedPostgres returns a server of the test's own to it.
// It may be said more than once.
func ChangesCluster(tb testing.TB) {
	tb.Helper()
	shared.Lock()
	has := shared.apart[tb.Name()] != nil
	shared.Unlock()
	if has {
		return
	}
	pg := StartPostgres(tb)
	shared.Lock()
	defer shared.Unlock()
	if shared.apart == nil {
		shared.apart = make(map[string]*Postgres)
	}
	shared.apart[tb.Name()] = pg
	tb.Cleanup(func() {
		shared.Lock()
		defer shared.Unlock()
		delete(shared.apart, tb.Name())
	})
}

// changesOfCluster returns the statements in the log of the shared server that changed what its databases have in common. Each
// begins with the name of the database that it was sent to. What tests of another database kept is given up by such a statement,
// so a test that expects a hit would fail now and then.
func changesOfCluster(log string) []string {
	return slices.DeleteFunc(clusterStatements.FindAllString(log, -1), func(s string) bool {
		return strings.Contains(strings.ToLower(s), " user mapping ") // of one database
	})
}

// clusterStatements is for a log with the line prefix "%d: ". The further lines of an entry begin with a tab.
var clusterStatements = regexp.MustCompile(`(?im)^\w*: LOG:  (statement|execute [^:]*): (.|\n\t)*` +
	`\b((create|alter|drop) (role|user|group)|reassign owned|alter system|(grant|revoke) \w+ (to|from))\b.*`)

// Main runs the tests and then stops the shared server, if there is one. It fails where a test that has not called ChangesCluster
// changed roles on the shared server. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }
func Main(m *testing.M) (code int) {
	code = m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		for _, statement := range changesOfCluster(shared.server.Log()) {
			println("a test has changed the cluster that all tests share, without proxytest.ChangesCluster: " + statement)
			code = max(code, 1)
		}
		if err := shared.server.Stop(); err != nil {
			println(err.Error())
			code = max(code, 1)
		}
	}
	return code
}
