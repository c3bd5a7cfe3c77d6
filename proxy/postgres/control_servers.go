package postgres

import (
	"cmp"
	"context"
	"slices"

	"overdrive/proxy"
)

// Servers returns the server connections that clients are given, in order of database, user and number. Each is asked on the event loop
// where it lives; one that cannot answer before ctx ends is left out.
func (p *Proxy) Servers(ctx context.Context) []proxy.ServerStatus {
	p.mu.Lock()
	var conns []*pooledConn
	for o := range p.everyOrigin() {
		conns = append(conns, o.servers.all()...)
	}
	p.mu.Unlock()
	answers := make(chan *proxy.ServerStatus, len(conns)) // so large that nobody who answers late is held up
	asked := 0
	for _, c := range conns {
		if c.address.Post(func() { answers <- c.status() }) {
			asked++
		}
	}
	var list []proxy.ServerStatus
	for range asked {
		select {
		case s := <-answers:
			if s != nil {
				list = append(list, *s)
			}
		case <-ctx.Done():
		case <-p.server.Context().Done():
		}
	}
	slices.SortFunc(list, func(a, b proxy.ServerStatus) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// status is what operators see of the connection, nil if it is gone. It is for its loop.
func (c *pooledConn) status() *proxy.ServerStatus {
	if c.Gone() {
		return nil
	}
	s := c.Show()
	status := &proxy.ServerStatus{
		ID: c.id, Database: c.origin.Database, User: c.origin.User, State: s.Doing, Application: s.Application, PID: c.PID,
		Link: uint64(s.Holder), Prepared: s.Prepared, Wire: proxy.WireOf(c.conn),
	}
	if lease := c.lease.Load(); lease != nil {
		status.CloseNeeded = c.origin.pool.CloseNeeded(lease)
	}
	status.Since, status.Asked = c.Login, s.Asked
	status.Kept, status.Left, status.Pending = s.Kept, s.Left, s.Pending
	return status
}
