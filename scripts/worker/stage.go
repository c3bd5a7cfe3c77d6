package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest/pglocal"
	"overdrive/scripts/serving"
)

// What examples/worker/overdrive.yaml and queries.ts say.
const (
	user     = "app"
	password = "secret"
	database = "shop"
	origin   = "127.0.0.1:5432"
	servers  = 2
)

// A stage is a PostgreSQL, the program in front of it, and the Worker in front of that.
type stage struct {
	dir      string
	postgres *pglocal.Server
	proxy    *serving.Proxy
	worker   *dev           // at the proxy
	console  *pgconn.PgConn // of the proxy
	direct   *pgconn.PgConn // to PostgreSQL: its writes go around the proxy
}

// setStage starts all of it. What has been started is stopped where something fails.
func setStage(ctx context.Context, dir string) (s *stage, err error) {
	s = &stage{dir: dir}
	defer func() {
		if err != nil {
			s.strike()
		}
	}()
	progress("starting PostgreSQL, Overdrive and wrangler dev")
	overdrive, err := serving.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := s.startPostgres(ctx); err != nil {
		return nil, err
	}
	configuration, err := os.ReadFile(filepath.Join(where, "overdrive.yaml"))
	if err != nil {
		return nil, err
	}
	if strings.Count(string(configuration), origin) != 1 {
		return nil, fmt.Errorf("overdrive.yaml does not name %s once", origin)
	}
	s.proxy, err = serving.Serve(overdrive, dir, strings.Replace(string(configuration), origin, s.postgres.Addr(), 1),
		"--listen", "127.0.0.1:0", "--http", "", "--log-format", "json")
	if err != nil {
		return nil, err
	}
	if s.console, err = pgconn.Connect(ctx, s.throughProxy("overdrive")); err != nil {
		return nil, err
	}
	if s.worker, err = develop(ctx, filepath.Join(dir, "worker"), s.throughProxy(database)); err != nil {
		return nil, err
	}
	return s, s.warm(ctx)
}

func (s *stage) startPostgres(ctx context.Context) (err error) {
	schema, err := os.ReadFile(filepath.Join(where, "schema.sql"))
	if err != nil {
		return err
	}
	s.postgres, err = pglocal.Start(ctx, pglocal.Options{HBA: []string{"host all all 127.0.0.1/32 scram-sha-256"}})
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE ROLE " + user + " LOGIN PASSWORD '" + password + "'", "CREATE DATABASE " + database + " OWNER " + user,
	} {
		if err := s.postgres.Exec(ctx, "postgres", sql); err != nil {
			return err
		}
	}
	if s.direct, err = pgconn.Connect(ctx, s.straight()); err != nil {
		return err
	}
	_, err = serving.Ask(ctx, s.direct, string(schema))
	return err
}

// throughProxy is a connection string, as wrangler.jsonc has it.
func (s *stage) throughProxy(database string) string { return dsn("127.0.0.1:"+s.proxy.Port, database) }

// straight is the connection string of the same database without a proxy.
func (s *stage) straight() string { return dsn(s.postgres.Addr(), database) }

// dsn has no TLS, which wrangler dev does by itself where it is asked for.
func dsn(address, database string) string {
	return "postgres://" + user + ":" + password + "@" + address + "/" + database + "?sslmode=disable"
}

// warm waits until the proxy knows the catalog and caches.
func (s *stage) warm(ctx context.Context) error {
	var a answer
	err := await(ctx, func() (bool, error) {
		var err error
		a, err = s.worker.get(ctx, "games/1?report")
		return a.status == "hit", err
	})
	if err != nil {
		return fmt.Errorf("nothing is cached, the last read was %s: %w\n%s\n%s", a.verdict(), err, s.proxy.Said(), s.worker.said())
	}
	return nil
}

// strike stops what has been started.
func (s *stage) strike() {
	ctx, stop := context.WithTimeout(context.Background(), serving.Patience)
	defer stop()
	if s.worker != nil {
		s.worker.end()
	}
	for _, conn := range []*pgconn.PgConn{s.console, s.direct} {
		if conn != nil {
			_ = conn.Close(ctx)
		}
	}
	if s.proxy != nil {
		if err := s.proxy.Stop(); err != nil {
			progress("%v", err)
		}
	}
	if s.postgres != nil {
		_ = s.postgres.Stop()
	}
}

// await asks until done says so.
func await(ctx context.Context, done func() (bool, error)) error {
	ctx, stop := context.WithTimeout(ctx, serving.Patience)
	defer stop()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if ok, err := done(); ok || err != nil {
			tick.Stop()
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		}
	}
}
