package postgres

import (
	"cmp"
	"slices"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/traffic"
)

// Accounts hold what was counted of each database and server user. They outlive the origins that they are about, so that no number ever
// falls: an origin is given up when nobody needs it, and a database that is served in another way gets new ones. Proxy.mu guards them.
type accounts struct {
	byKey  map[originKey]*account
	folded map[string]*proxy.TrafficStatus // by database: of users whose accounts are closed
	opened uint64                          // how many there ever were
}

// An account is what was counted of one server user of one database.
type account struct {
	key    originKey
	number uint64 // among all that were opened: the first comers have the lowest
	meter  *traffic.Meter
	pools  []*pool.Pool[*pooledConn] // of its origins, those that are leaving among them
	closed pool.Counters             // of pools that are no more
}

// maxAccounts bounds those of one database that are kept. There are always some hundred of users who are gone, so that an account to be
// closed is found that is none of the oldest: who shows users one by one shows those.
const maxAccounts = maxIdentities + 2*shownUsers

// shownUsers is how many of the users of a database, the first comers, are sure to keep their accounts.
const shownUsers = 200

// vocabulary is what the counters of all accounts are called.
var vocabulary = session.Vocabulary()

func newAccounts() accounts {
	return accounts{byKey: make(map[originKey]*account), folded: make(map[string]*proxy.TrafficStatus)}
}

// open returns the account of a user, who may have had one before. There are so many event loops.
func (a *accounts) open(key originKey, loops int) *account {
	if c := a.byKey[key]; c != nil {
		return c
	}
	a.opened++
	c := &account{key: key, number: a.opened, meter: traffic.NewMeter(loops, vocabulary)}
	a.byKey[key] = c
	return c
}

// leave notes that an origin with the pool is given up.
func (a *accounts) leave(c *account, p *pool.Pool[*pooledConn]) {
	stats := p.Stats()
	c.closed.Add(&stats.Counters)
	c.pools = slices.DeleteFunc(c.pools, func(other *pool.Pool[*pooledConn]) bool { return other == p })
	if len(c.pools) == 0 && a.byKey[c.key] == c {
		a.makeRoom(c.key.database)
	}
}

// makeRoom closes an account of the database if there are too many: the youngest of those that have no origin.
func (a *accounts) makeRoom(database string) {
	n, youngest := 0, (*account)(nil)
	for key, c := range a.byKey {
		if key.database != database {
			continue
		}
		if n++; len(c.pools) == 0 && (youngest == nil || c.number > youngest.number) {
			youngest = c
		}
	}
	if n <= maxAccounts || youngest == nil {
		return
	}
	delete(a.byKey, youngest.key)
	sum := a.folded[database]
	if sum == nil {
		sum = &proxy.TrafficStatus{Database: database}
		a.folded[database] = sum
	}
	status := youngest.status()
	sum.Counts.Add(&status.Counts)
	sum.Pool.Add(&status.Pool)
}

// drop forgets all of a database.
func (a *accounts) drop(database string) {
	for key := range a.byKey {
		if key.database == database {
			delete(a.byKey, key)
		}
	}
	delete(a.folded, database)
}

// status is what the account holds. Call it with Proxy.mu held, or on a copy that was made then.
func (c *account) status() proxy.TrafficStatus {
	s := proxy.TrafficStatus{Database: c.key.database, User: c.key.user, Counts: c.meter.Counts(), Pool: c.closed}
	for _, p := range c.pools {
		stats := p.Stats()
		s.Pool.Add(&stats.Counters)
	}
	return s
}

// listed returns copies of the accounts of databases that are served, by database and number, and what is folded of these databases.
func (a *accounts) listed(served map[string]*Database) (list []account, folded map[string]proxy.TrafficStatus) {
	for _, c := range a.byKey {
		if served[c.key.database] != nil {
			one := *c
			one.pools = slices.Clone(c.pools)
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b account) int {
		return cmp.Or(cmp.Compare(a.key.database, b.key.database), cmp.Compare(a.number, b.number))
	})
	folded = make(map[string]proxy.TrafficStatus)
	for name, sum := range a.folded {
		s := proxy.TrafficStatus{Database: name, Pool: sum.Pool}
		s.Counts.Add(&sum.Counts) // a copy: the sum goes on
		folded[name] = s
	}
	return list, folded
}
