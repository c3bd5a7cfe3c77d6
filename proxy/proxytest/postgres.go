package proxytest

import (
	"context"
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
	sync.Mutex // guards server
	server     *pglocal.Server
}

// SharedPostgres returns the one server that all tests of this binary share, starting it for the first. Tests that use
// it keep to databases, tables and roles of their own, and do not stop or restart it. Main stops it.
func SharedPostgres(tb testing.TB) *Postgres {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		server, err := pglocal.Start(tb.Context(), pglocal.Options{})
		if err != nil {
			tb.Fatal(err)
		}
		shared.server = server
	}
	return &Postgres{Server: shared.server, tb: tb}
}

// Main runs the tests and then stops the shared server, if there is one. It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }
func Main(m *testing.M) (code int) {
	code = m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			println(err.Error())
			code = max(code, 1)
		}
	}
	return code
}
