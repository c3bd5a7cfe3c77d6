package postgres

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// servers are the server connections of an origin that live on loops. They come and go with logins, so nothing of this is on the way
// of a statement. The zero value has none.
type servers struct {
	mu   sync.Mutex // guards the field below
	open map[*pooledConn]struct{}
}

func (s *servers) add(c *pooledConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*pooledConn]struct{})
	}
	s.open[c] = struct{}{}
}

func (s *servers) remove(c *pooledConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// all returns those that are there now. To look at one or to act on it, use Post of its address.
func (s *servers) all() []*pooledConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// arrives notes that the connection lives, and leaves that it does no more. leaves may be called twice.
func (c *pooledConn) arrives() {
	c.origin.servers.add(c)
	c.heardOf()
}

func (c *pooledConn) leaves() {
	c.origin.servers.remove(c)
	c.silenced()
}

// errKilled ends a server connection that an administrator has killed.
var errKilled = errors.New("killed by an administrator")
