package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
)

// This file is how operators stop databases and have them go on: the console's PAUSE, RESUME, KILL, DISABLE and ENABLE. A database is
// named as clients do; "" means all.

// Pause keeps the clients of a database from its servers: who needs one waits, whatever the pool's wait_timeout, and server connections
// are closed as they are released. It returns when none is left. If ctx ends before, it takes back what it has paused; if
// somebody resumes the database, it gives up.
func (p *Proxy) Pause(ctx context.Context, database string) error {
	names, err := p.meant(database)
	if err != nil {
		return err
	}
	number, err := p.beginPause(names)
	if err != nil {
		return err
	}
	for {
		switch dry, holds := p.howDry(names, number); {
		case !holds:
			return controlError(pgwire.CodeQueryCanceled, "the pause was ended by RESUME")
		case dry:
			return nil
		}
		if err := p.glance(ctx); err != nil {
			p.endPause(func(name string) bool { return p.paused[name] == number })
			return err
		}
	}
}

// beginPause pauses those of the databases that are not paused, and returns the number of the pause.
func (p *Proxy) beginPause(names []string) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return p.paused[name] != 0 })
	if len(fresh) == 0 {
		return 0, controlError(codeNotInState, "%s paused already", listed(names))
	}
	p.pauses++
	for _, name := range fresh {
		p.paused[name] = p.pauses
	}
	p.eachOriginOf(fresh, func(o *origin) { o.pool.Pause() })
	return p.pauses, nil
}

// howDry reports whether the databases have no server connections any more, and whether the pause still holds for one of them.
func (p *Proxy) howDry(names []string, number uint64) (dry, holds bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dry = true
	p.eachOriginOf(names, func(o *origin) {
		stats := o.pool.Stats()
		dry = dry && stats.Open == 0 && stats.Reserved == 0
	})
	for _, name := range names {
		holds = holds || p.paused[name] == number
	}
	return dry, holds
}

// endPause resumes the databases that are chosen, and returns them in order. The function is called with mu held.
func (p *Proxy) endPause(chosen func(name string) bool) (ended []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range maps.Clone(p.paused) {
		if chosen(name) {
			delete(p.paused, name)
			ended = append(ended, name)
		}
	}
	p.eachOriginOf(ended, func(o *origin) { o.pool.Resume() })
	slices.Sort(ended)
	return ended
}

// Resume has the clients of a database that is paused go on.
func (p *Proxy) Resume(database string) error {
	names, err := p.meant(database)
	if err != nil {
		return err
	}
	p.mu.Lock()
	released := p.released
	p.mu.Unlock()
	if released {
		return controlError(codeNotInState, "%v", proxy.ErrShutdown)
	}
	if len(p.endPause(func(name string) bool { return slices.Contains(names, name) })) == 0 {
		return controlError(codeNotInState, "%s not paused", listed(names))
	}
	return nil
}

// killLimit bounds the wait for what was killed to be gone.
const killLimit = 3 * time.Second

// Kill ends all clients and server connections of a database at once, and leaves it paused. What the servers are asked at the moment is
// cancelled.
func (p *Proxy) Kill(database string) error {
	names, err := p.meant(database)
	if err != nil {
		return err
	}
	_, _ = p.beginPause(names) // some may be paused already, or all
	var origins []*origin
	p.mu.Lock()
	p.eachOriginOf(names, func(o *origin) { origins = append(origins, o) })
	p.mu.Unlock()
	p.server.EachSession(func(s proxy.Session) {
		if c, ok := s.(*client); ok && slices.Contains(names, c.origin.Database) {
			c.kill(fmt.Sprintf("connections of database %q were killed by an administrator", c.origin.Database))
		}
	})
	for _, o := range origins {
		for _, c := range o.servers.all() { // what the clients have left, and what was on its way to them
			c.address.Post(func() { c.Sever(errKilled) })
		}
	}
	p.waitUntil(killLimit, func() bool {
		return !slices.ContainsFunc(origins, func(o *origin) bool { return len(o.servers.all()) > 0 || o.sessions.Load() > 0 })
	})
	return nil
}

// KillClient ends one client, by the ID that Clients tells, with the server connection that it holds.
func (p *Proxy) KillClient(id uint64) error {
	found, _ := p.server.One(func(s proxy.Session) bool {
		c, ok := s.(*client)
		return ok && uint64(c.ID()) == id
	}).(*client)
	if found == nil {
		return controlError(codeUndefinedObject, "there is no client %d", id)
	}
	found.Post(func() { found.kill("the connection was killed by an administrator") })
	return nil
}

// Disable has a database let nobody new in, under this name, until Enable. Who is in stays.
func (p *Proxy) Disable(database string) error { return p.setDisabled(database, true) }

// Enable ends Disable.
func (p *Proxy) Enable(database string) error { return p.setDisabled(database, false) }

func (p *Proxy) setDisabled(database string, disabled bool) error {
	if _, err := p.databaseNamed(database); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if disabled {
		p.disabled[database] = true
	} else {
		delete(p.disabled, database)
	}
	return nil
}
