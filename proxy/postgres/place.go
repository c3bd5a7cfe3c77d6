package postgres

import (
	"time"

	"overdrive/proxy"
	"overdrive/proxy/postgres/session"
)

// A place is what the sessions on one event loop share. It belongs to that loop.
type place struct {
	session.Workspace
	hintTold time.Time // see client.Misunderstood
}

// at is what the sessions on the loop of w share.
func (p *Proxy) at(w *proxy.Worker) *place { return p.places[w.Index] }
