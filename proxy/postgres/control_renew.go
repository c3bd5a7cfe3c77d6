package postgres

import (
	"context"
	"time"

	"overdrive/proxy"
)

// This file is how operators have server connections be renewed, or given up for good: the console's RECONNECT, WAIT_CLOSE and SHUTDOWN.

// Reconnect has each server connection of a database be closed when it is next released, and the keepers of its catalog take others. A
// listener stays as long as it has sessions.
func (p *Proxy) Reconnect(database string) error {
	names, err := p.meant(database)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eachOriginOf(names, func(o *origin) {
		o.pool.Reconnect()
		o.keeper.Renew()
	})
	return nil
}

// WaitClose returns when all server connections of a database are gone that were open at the last Reconnect, or when ctx ends.
func (p *Proxy) WaitClose(ctx context.Context, database string) error {
	names, err := p.meant(database)
	if err != nil {
		return err
	}
	for {
		stale := 0
		p.mu.Lock()
		p.eachOriginOf(names, func(o *origin) { stale += o.pool.Stats().Stale })
		p.mu.Unlock()
		if stale == 0 {
			return nil
		}
		if err := p.glance(ctx); err != nil {
			return err
		}
	}
}

// ReleaseServers gives all server connections up for good: they are closed as they are released, and whoever needs one is refused. It is
// the beginning of the end.
func (p *Proxy) ReleaseServers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.released = true
	for o := range p.everyOrigin() {
		o.giveUp() // the keeper: it would only complain
		o.pool.Close(proxy.ErrShutdown)
	}
}

// Released reports whether no server connection is left.
func (p *Proxy) Released() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for o := range p.everyOrigin() {
		if stats := o.pool.Stats(); stats.Open > 0 || stats.Reserved > 0 {
			return false
		}
	}
	return true
}

// glancePause is between two looks at what an operator waits for.
const glancePause = 20 * time.Millisecond

// glance lets a moment pass. It returns an error if ctx has ended meanwhile, or the server.
func (p *Proxy) glance(ctx context.Context) error {
	select {
	case <-time.After(glancePause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.server.Context().Done():
		return proxy.ErrShutdown
	}
}
