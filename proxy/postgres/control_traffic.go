package postgres

import (
	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// Traffic returns what has passed of each database and server user since the proxy began: by database, and there in the order in which the
// users came. What has passed of those who came last and are gone stands together, behind the others, under the empty user. Databases that the
// configuration has no more are left out.
func (p *Proxy) Traffic() []proxy.TrafficStatus {
	served := p.now().databases
	p.mu.Lock()
	accounts, folded := p.accounts.listed(served)
	p.mu.Unlock()
	var list []proxy.TrafficStatus
	for i := range accounts {
		name := accounts[i].key.database
		list = append(list, accounts[i].status())
		if i == len(accounts)-1 || accounts[i+1].key.database != name {
			if sum, some := folded[name]; some {
				list = append(list, sum)
			}
		}
	}
	return list
}

// Refusals returns how many clients were not let in since the proxy began, by reason. Whoever hangs up before it has said who it is, as
// probes do, counts as a connection that was lost.
func (p *Proxy) Refusals() []traffic.Count { return p.refusals.Counts() }

// Catalogs returns how the catalog of every database is looked after, in order of their names.
func (p *Proxy) Catalogs() []proxy.CatalogStatus {
	served := p.now().databases
	var list []proxy.CatalogStatus
	for _, name := range p.DatabaseNames() {
		db := served[name]
		if db == nil { // it has just come
			continue
		}
		p.mu.Lock()
		n := p.upstreamOf(db.Target).shelf.Counts()
		p.mu.Unlock()
		list = append(list, proxy.CatalogStatus{Database: name, Looks: n.Looks, Loads: n.Loads, Failures: n.Failures})
	}
	return list
}
