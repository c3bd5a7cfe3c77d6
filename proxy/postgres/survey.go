package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"

	"overdrive/proxy/postgres/catalog"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// Found is what one visit to a database told of it.
type Found struct {
	Version string // as the server calls itself
	TLS     string // the version of TLS; empty without
	Login   time.Duration
	Query   time.Duration // from a short question to its answer, at best

	Tables, Views int   // of the user's own
	Uncached      error // why nothing can be cached: the catalog cannot be read, or has what forbids it; nil if all is well
	ReadOnly      bool  // a standby, or read-only by default
	Connections   int   // max_connections; 0 if it is not told
}

// rounds is how often the way to the server and back is timed.
const rounds = 5

// Survey logs in to a database as its pool would, and looks at it as its keeper would. The error is that of the login.
func Survey(ctx context.Context, t upstream.Target) (*Found, error) {
	credential := pgauth.NewCredential(t.User, pgauth.Secret{})
	if t.Password != "" {
		var err error
		if credential, err = t.Credential(); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	conn, err := (&upstream.Dialer{Target: t}).Connect(ctx, credential)
	if err != nil {
		return nil, err
	}
	f := &Found{Version: conn.Params["server_version"], Login: time.Since(began)}
	defer conn.Close(byeLimit)
	defer context.AfterFunc(ctx, func() { conn.NC.Close() })()
	if over, ok := conn.NC.(*tls.Conn); ok {
		f.TLS = tls.VersionName(over.ConnectionState().Version)
	}
	if err := f.ask(conn); err != nil {
		return nil, fmt.Errorf("the login works, but a query does not: %w", err)
	}
	seen, err := catalog.Survey(conn)
	if f.Uncached = err; err == nil {
		f.Tables, f.Views = seen.Extent()
		if why := seen.Obstacle(); why != "" {
			f.Uncached = errors.New(why)
		}
	}
	return f, nil
}

// Untrusted returns those of the functions that a configuration trusts that the database does not have, or whose owner is not believed.
func Untrusted(conn *upstream.Conn, trusted []string) ([]string, error) {
	return classify.Untrusted(conn.Query, trusted)
}

// byeLimit is how long a server may take to hang up.
const byeLimit = time.Second

// ask asks what is no matter of the catalog, and times the way.
func (f *Found) ask(conn *upstream.Conn) error {
	for range rounds {
		began := time.Now()
		rows, err := conn.Query("SELECT pg_catalog.current_setting('transaction_read_only'), pg_catalog.current_setting('max_connections')")
		if err != nil {
			return err
		}
		if took := time.Since(began); f.Query == 0 || took < f.Query {
			f.Query = took
		}
		if len(rows) == 1 && len(rows[0]) == 2 {
			f.ReadOnly = rows[0][0] == "on"
			f.Connections, _ = strconv.Atoi(rows[0][1])
		}
	}
	return nil
}
