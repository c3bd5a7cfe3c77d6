package postgres

import (
	"sync"
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/notify"
	"overdrive/proxy/postgres/session"
)

// This file is about the connection that listens in place of the sessions of an upstream database, and about whose notifications are
// whose: the sender is the PID of a backend, and clients know other PIDs.

// A hearsay is what an upstream database knows of its listener and of those who may be heard.
type hearsay struct {
	listener *notify.Listener
	backends sync.Map // of its server connections: from the PID to *atomic.Uint32, the PID of the client who used it last
}

// listenTo gives u its listener, which connects when somebody listens.
func (u *upstreamDatabase) listenTo(p *Proxy) {
	u.listener = notify.New(notify.Options{
		Database: u.name, Go: p.server.Go, Context: p.server.Context(), Sender: u.sender, Logger: p.server.Log(),
	})
}

// sender returns the PID of the client who used a backend last, or 0.
func (u *upstreamDatabase) sender(pid uint32) uint32 {
	if last, ok := u.backends.Load(pid); ok {
		return last.(*atomic.Uint32).Load()
	}
	return 0
}

// Subscribe and Sender are the session's calls: see session.Driver.
func (c *client) Subscribe() session.Subscription {
	var s *notify.Subscriber
	s = c.origin.upstream.listener.Subscribe(notify.Receiver{Post: c.Post, Hear: func(es []session.Heard) { c.Hear(s, es) }},
		c.origin.connectOwn)
	return s
}

func (c *client) Sender(pid uint32) uint32 { return c.origin.upstream.sender(pid) }

// Speaks is the machine's call: see session.ServerDriver.
func (c *pooledConn) Speaks(pid uint32) { c.speaker.Store(pid) }

// heardOf has the connection be found by the PID of its backend,.
func (c *pooledConn) heardOf() {
	if c.PID != 0 {
		c.origin.upstream.backends.Store(c.PID, &c.speaker)
	}
}

// echo is for how long it is known who has used a backend that is gone: what it has notified last may be on its way.
const echo = 10 * time.Second

func (c *pooledConn) silenced() {
	if c.PID == 0 {
		return
	}
	time.AfterFunc(echo, func() { c.origin.upstream.backends.CompareAndDelete(c.PID, &c.speaker) })
}
