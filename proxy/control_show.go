package proxy

import (
	"context"
	"net"
	"slices"
	"sync"

	"overdrive/pool"
	"overdrive/proxy/postgres/session"
)

// PoolStatus is one pool as it is at the moment.
type PoolStatus struct {
	Database, User string // by the name clients use; at the server
	Mode           string
	Clients        int64 // logged in
	pool.Stats
}

// Pools returns the pools there are, in order of database and user. A pool exists from a user's first login on.
func (s *Server) Pools() []PoolStatus {
	var list []PoolStatus
	for _, o := range s.allOrigins() {
		list = append(list, PoolStatus{o.Database, o.User, o.Mode.String(), o.sessions.Load(), o.pool.Stats()})
	}
	return list
}

// DatabaseStatus is one name that clients may connect to.
type DatabaseStatus struct {
	Name, Host     string
	Port           int
	Upstream       string // the database's name at the server
	User           string // that every server connection logs in as; empty: the client's
	Mode           string
	Limits         pool.Limits
	Servers        int // connections open
	Clients        int64
	CachingEnabled bool
}

// Databases returns all databases, in order of their names.
func (s *Server) Databases() []DatabaseStatus {
	pools := s.Pools()
	var list []DatabaseStatus
	for _, name := range s.DatabaseNames() {
		db := s.databases[name]
		d := DatabaseStatus{
			Name: name, Host: db.Target.Hosts(), Port: db.Target.Port, Upstream: db.Target.Database, User: db.Target.User,
			Mode: db.Mode.String(), Limits: db.Pool, CachingEnabled: db.Cache != nil && db.Cache.Enabled,
		}
		for _, p := range pools {
			if p.Database == name {
				d.Servers += p.Open
				d.Clients += p.Clients
			}
		}
		list = append(list, d)
	}
	return list
}

// ClientStatus is one logged-in client.
type ClientStatus struct {
	ID             session.ID
	Database, User string // as the client named them
	State          string // active: it holds a server connection; idle; waiting for one
	Address        string
	Application    string // application_name
	Server         uint32 // process ID of the server it holds, or 0
	Prepared       int    // statements
	Pinned         string // why it keeps its server, or empty
}

// Clients returns all logged-in clients, in order of their numbers. Each event loop is asked for its own, between two events; one
// that cannot answer before ctx ends is left out.
func (s *Server) Clients(ctx context.Context) []ClientStatus {
	var (
		mu      sync.Mutex
		list    []ClientStatus
		waiting = make(chan struct{}, len(s.workers))
		asked   int
	)
	for _, w := range s.workers {
		posted := w.loop.Post(func() {
			var own []ClientStatus
			for c := w.sessions.first; c != nil; c = c.next {
				own = append(own, c.snapshot())
			}
			mu.Lock()
			list = append(list, own...)
			mu.Unlock()
			waiting <- struct{}{}
		})
		if posted {
			asked++
		}
	}
	for range asked {
		select {
		case <-waiting:
		case <-ctx.Done():
		case <-s.context.Done():
		}
	}
	mu.Lock()
	defer mu.Unlock()
	list = slices.Clone(list) // a late loop may append yet
	slices.SortFunc(list, func(a, b ClientStatus) int { return int(int64(a.ID) - int64(b.ID)) })
	return slices.CompactFunc(list, func(a, b ClientStatus) bool { return a.ID == b.ID }) // one that moved meanwhile was asked twice
}

// snapshot is for the session's own loop.
func (c *client) snapshot() ClientStatus {
	s := c.Show()
	status := ClientStatus{
		ID: c.ID(), Database: c.origin.Database, User: c.User(), State: s.Doing, Application: s.Application, Server: s.Server,
		Prepared: s.Prepared, Pinned: s.Pinned,
	}
	if conn, ok := c.Socket().(interface{ RemoteAddr() net.Addr }); ok {
		status.Address = conn.RemoteAddr().String()
	}
	return status
}
