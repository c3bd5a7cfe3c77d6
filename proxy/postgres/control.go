package postgres

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
)

// This file and its neighbours control_*.go are the operators' side of a Proxy: what the console and the command line look at and act
// on. All of it may be called at any time from any goroutine, and none of it is on the way of a statement.

// A Console serves the connections of administrators.
type Console interface {
	// Serve speaks with a client that has proved to be user, beginning with AuthenticationOk. It owns nc and closes it. It
	// blocks until the conversation is over, which must be soon after ctx ends.
	Serve(ctx context.Context, nc net.Conn, user string)
	// Cancel carries out a cancel request that names none of the sessions.
	Cancel(number, secret uint32)
}

// consoleNames are the names under which clients find the Console.
var consoleNames = []string{"overdrive", "pgbouncer"}

// SQLSTATEs that only operators see.
const (
	codeUndefinedTable = "42P01"
	codeNotInState     = "55000"
	// codeUndefinedObject is for clients that are not there.
	codeUndefinedObject = "42704"
)

func controlError(code, format string, args ...any) error {
	return &proxy.ControlError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// DatabaseNames returns the names that clients may connect to, in order.
func (p *Proxy) DatabaseNames() []string { return slices.Sorted(maps.Keys(p.now().databases)) }

// MayUse says whether a user who has proved to be one may log in to the database.
func (p *Proxy) MayUse(database, user string) bool {
	db := p.now().databases[database]
	return db != nil && db.admits(user)
}

// databaseNamed returns an error for operators if there is no such database.
func (p *Proxy) databaseNamed(name string) (*Database, error) {
	db := p.now().databases[name]
	if db == nil {
		return nil, controlError(pgwire.CodeInvalidCatalogName, "database %q does not exist", name)
	}
	return db, nil
}

// allOrigins returns the origins there are, in order of database and user.
func (p *Proxy) allOrigins() []*origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Collect(maps.Values(p.origins))
	slices.SortFunc(list, func(a, b *origin) int {
		if c := strings.Compare(a.Database, b.Database); c != 0 {
			return c
		}
		return strings.Compare(a.User, b.User)
	})
	return list
}

// originsOf returns the origins of the upstream database that the name means, under whatever name they came.
func (p *Proxy) originsOf(db *Database) []*origin {
	p.mu.Lock()
	u := p.upstreamOf(db.Target)
	p.mu.Unlock()
	return slices.DeleteFunc(p.allOrigins(), func(o *origin) bool { return o.upstream != u })
}
