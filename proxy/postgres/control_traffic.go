package postgres

import (
	"cmp"
	"slices"

	"overdrive/proxy"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/traffic"
)

// This file keeps the counters of what has passed, which must never fall: so they outlive the origins that they are about.

// vocabulary is what the counters of all origins are called.
var vocabulary = session.Vocabulary()

// meterFor returns the meter of an origin: that of the one before it, if that is still leaving. Call it with mu held.
func (p *Proxy) meterFor(key originKey) *traffic.Meter {
	if m := p.meters[key]; m != nil {
		return m
	}
	m := traffic.NewMeter(len(p.places), vocabulary)
	p.meters[key] = m
	return m
}

// closeMeter has what an origin has counted be counted as that of users who are gone, unless another origin goes on with it. It is for
// an origin that has just been taken off the books. Call it with mu held.
func (p *Proxy) closeMeter(o *origin) {
	key := originKey{o.Database, o.User}
	for other := range p.everyOrigin() {
		if other.Meter == o.Meter {
			return
		}
	}
	delete(p.meters, key)
	sum := p.departed[o.Database]
	if sum == nil {
		sum = new(traffic.Counts)
		p.departed[o.Database] = sum
	}
	counts := o.Meter.Counts()
	sum.Add(&counts)
}

// Traffic returns what has passed of each database and server user since the proxy began, in order of database and user. What passed of
// users whose pools are gone stands together under the empty user. Databases that the configuration has no more are left out.
func (p *Proxy) Traffic() []proxy.TrafficStatus {
	served := p.now().databases
	var list []proxy.TrafficStatus
	p.mu.Lock()
	meters := make(map[originKey]*traffic.Meter, len(p.meters))
	for key, m := range p.meters {
		if served[key.database] != nil {
			meters[key] = m
		}
	}
	for name, sum := range p.departed {
		if served[name] != nil {
			var t proxy.TrafficStatus
			t.Database = name
			t.Counts.Add(sum) // a copy: the sum goes on
			list = append(list, t)
		}
	}
	p.mu.Unlock()
	for key, m := range meters {
		list = append(list, proxy.TrafficStatus{Database: key.database, User: key.user, Counts: m.Counts()})
	}
	slices.SortFunc(list, func(a, b proxy.TrafficStatus) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User))
	})
	return list
}
