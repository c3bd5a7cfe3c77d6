package postgres

import (
	"slices"
	"time"

	"overdrive/proxy"
)

// closeLimit bounds the wait for server connections to be closed politely.
const closeLimit = 3 * time.Second

// Close is the server's call: see proxy.Protocol.
func (p *Proxy) Close() {
	p.mu.Lock()
	origins := slices.Collect(p.everyOrigin())
	p.mu.Unlock() // the loops, which need it too, have work to do before the pools are empty
	deadline := time.NewTimer(closeLimit)
	defer deadline.Stop()
	for _, o := range origins {
		o.giveUp()
		o.pool.Close(proxy.ErrShutdown)
	}
	for _, o := range origins {
		select {
		case <-o.pool.Done():
		case <-deadline.C:
			return
		}
	}
}
