package postgres

import (
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy"
)

// This file says what operators have stopped. It is known by the names of databases, so that it outlasts a change of the configuration:
// who moves a database pauses it, changes its url, and resumes it. A pause is for all names of one upstream database.

// stops are what is stopped now. Proxy.mu guards it.
type stops struct {
	paused   map[string]uint64 // databases, and the number of the PAUSE
	pauses   uint64            // the last number
	disabled map[string]bool   // databases that let nobody new in
	released bool              // see ReleaseServers
}

// stopAtBirth has a pool that is fresh be as stopped as the others of its database. Call it with mu held.
func (p *Proxy) stopAtBirth(o *origin) {
	if p.released {
		o.pool.Close(proxy.ErrShutdown)
	}
	if p.paused[o.Database] != 0 {
		o.pool.Pause()
	}
}

// keepStops goes by another configuration: databases that are gone are forgotten, and new names of one that is paused are paused. Call it
// with mu held, before the origins follow.
func (p *Proxy) keepStops(g *given) {
	for name := range p.paused {
		if g.databases[name] == nil {
			delete(p.paused, name)
		}
	}
	for name := range p.disabled {
		if g.databases[name] == nil {
			delete(p.disabled, name)
		}
	}
	for name, number := range p.paused {
		for _, other := range g.aliases(name) {
			if p.paused[other] == 0 {
				p.paused[other] = number
				p.eachOriginOf([]string{other}, func(o *origin) { o.pool.Pause() })
			}
		}
	}
}

// isDisabled says whether a database lets nobody new in.
func (p *Proxy) isDisabled(database string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.disabled[database]
}

// eachOriginOf calls f for the origins of databases, those that are leaving among them. Call it with mu held.
func (p *Proxy) eachOriginOf(databases []string, f func(*origin)) {
	for o := range p.everyOrigin() {
		for _, name := range databases {
			if o.Database == name {
				f(o)
			}
		}
	}
}

// meant returns the databases that an operator means, in order: all names of one upstream database, or all there are.
func (p *Proxy) meant(database string) ([]string, error) {
	if database == "" {
		return p.DatabaseNames(), nil
	}
	if _, err := p.databaseNamed(database); err != nil {
		return nil, err
	}
	names := p.now().aliases(database)
	slices.Sort(names)
	return names, nil
}

// listed writes names of databases as the beginning of a sentence.
func listed(names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("database %q is", names[0])
	}
	return "the databases " + strings.Join(names, ", ") + " are"
}
