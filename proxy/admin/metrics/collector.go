package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// A Proxy is whose databases are shown. Its methods return snapshots, and may be called from any goroutine.
type Proxy interface {
	Pools() []proxy.PoolStatus
	Traffic() []proxy.TrafficStatus
	Refusals() []traffic.Count
	Caches() []proxy.CacheStatus
	Catalogs() []proxy.CatalogStatus
}

// Loops are the event loops that are shown. The method may be called from any goroutine.
type Loops interface {
	Loops() []proxy.LoopStatus
}

// A Program is what the program itself counts.
type Program struct {
	DroppedLines    uint64 // of the log
	Reloads, Failed uint64 // of the configuration: those that succeeded, and those that changed nothing
	LastFailed      bool   // the last one was one of these
	Loaded          time.Time
}

// Options are what is shown. All fields are required.
type Options struct {
	Proxy   Proxy
	Loops   Loops
	Version string
	Program func() Program // may be called from any goroutine
}

// A collector reads snapshots when it is scraped.
type collector struct{ Options }

// Describe is prometheus.Collector's.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.desc
	}
}

// Collect is prometheus.Collector's.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := scrape{out}
	all := c.Proxy.Traffic()
	first := users(all)
	s.pools(c.Proxy.Pools(), first)
	s.traffic(all, first)
	s.words(refusedLogins, c.Proxy.Refusals())
	s.caches(c.Proxy.Caches())
	s.catalogs(c.Proxy.Catalogs())
	for i, l := range c.Loops.Loops() {
		s.value(loopClients, float64(l.Clients), strconv.Itoa(i))
		s.times(loopTurns, &l.Turns, strconv.Itoa(i))
	}
	s.value(buildInfo, 1, labelled(c.Version), runtime.Version())
	s.program(c.Program())
}

// A scrape writes what one scrape finds.
type scrape struct{ out chan<- prometheus.Metric }

func (s scrape) value(f *family, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...)
	if err != nil { // a fault of ours
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	s.out <- m
}

func (s scrape) count(f *family, n uint64, labels ...string) { s.value(f, float64(n), labels...) }

func (s scrape) times(f *family, d *traffic.Distribution, labels ...string) {
	s.out <- &histogram{f.desc, prometheus.MakeLabelPairs(f.desc, labels), *d}
}

// words writes one value for each word, whose label is the last.
func (s scrape) words(f *family, list []traffic.Count, labels ...string) {
	for _, of := range list {
		s.count(f, of.N, append(labels[:len(labels):len(labels)], of.Word)...)
	}
}

// pools writes what the pools are like now.
func (s scrape) pools(list []proxy.PoolStatus, first map[shown]bool) {
	sums := make(map[shown]*proxy.PoolStatus)
	for i := range list {
		p := &list[i]
		of := seriesOf(first, p.Database, p.User)
		sum := sums[of]
		if sum == nil {
			sum = new(proxy.PoolStatus)
			sums[of] = sum
		}
		addPool(sum, p)
	}
	for of, p := range sums {
		for state, n := range map[string]int{
			"dialing": p.Dialing, "idle": p.Idle, "leased": p.Leased, "resetting": p.Resetting, "reserved": p.Reserved,
		} {
			s.value(poolServers, float64(n), of.database, of.user, state)
		}
		s.value(poolSize, float64(p.Size), of.database, of.user)
		s.value(poolClients, float64(p.Clients), of.database, of.user)
		s.value(poolWaiting, float64(p.Waiting), of.database, of.user)
		s.value(poolPinned, float64(p.Pinned), of.database, of.user)
		s.value(poolOldestWait, p.OldestWait.Seconds(), of.database, of.user)
	}
}

// addPool adds what is shown of a pool.
func addPool(sum, p *proxy.PoolStatus) {
	sum.Dialing += p.Dialing
	sum.Idle += p.Idle
	sum.Leased += p.Leased
	sum.Resetting += p.Resetting
	sum.Reserved += p.Reserved
	sum.Size += p.Size
	sum.Clients += p.Clients
	sum.Waiting += p.Waiting
	sum.Pinned += p.Pinned
	sum.OldestWait = max(sum.OldestWait, p.OldestWait)
}

// traffic writes what has passed, of databases and of their users.
func (s scrape) traffic(list []proxy.TrafficStatus, first map[shown]bool) {
	byUser, byDatabase := make(map[shown]*proxy.TrafficStatus), make(map[string]*proxy.TrafficStatus)
	for i := range list {
		of := seriesOf(first, list[i].Database, list[i].User)
		if byUser[of] == nil {
			byUser[of] = new(proxy.TrafficStatus)
		}
		if byDatabase[of.database] == nil {
			byDatabase[of.database] = new(proxy.TrafficStatus)
		}
		for _, sum := range []*proxy.TrafficStatus{byUser[of], byDatabase[of.database]} {
			sum.Counts.Add(&list[i].Counts)
			sum.Pool.Add(&list[i].Pool)
		}
	}
	for of, t := range byUser {
		s.ofUser(of, t)
	}
	for name, t := range byDatabase {
		s.ofDatabase(name, t)
	}
}

func (s scrape) ofUser(of shown, t *proxy.TrafficStatus) {
	s.count(poolAcquires, t.Pool.Acquires, of.database, of.user)
	s.count(poolWaits, t.Pool.Waits, of.database, of.user)
	s.count(poolFailedWaits, t.Pool.Timeouts, of.database, of.user, "timeout")
	s.count(poolFailedWaits, t.Pool.Refusals, of.database, of.user, "refused")
	s.count(poolFailedWaits, t.Pool.Cancels, of.database, of.user, "client gave up")
	s.count(poolLogins, t.Pool.Dials, of.database, of.user)
	s.count(poolFailedLogins, t.Pool.DialFailures, of.database, of.user)
	s.count(logins, t.Logins, of.database, of.user)
	s.count(transactions, t.Transactions, of.database, of.user)
	s.value(transactionSum, t.TransactionTime.Seconds(), of.database, of.user)
	s.count(clientReceived, t.FromClients, of.database, of.user)
	s.count(clientSent, t.ToClients, of.database, of.user)
	s.count(serverReceived, t.FromServers, of.database, of.user)
	s.count(serverSent, t.ToServers, of.database, of.user)
}

func (s scrape) ofDatabase(name string, t *proxy.TrafficStatus) {
	for why, n := range t.Pool.Closes {
		s.count(poolCloses, n, name, pool.CloseReason(why).String())
	}
	s.words(endedClients, t.Ends, name)
	s.words(statements, t.Statements, name)
	s.words(pins, t.Pins, name)
	s.words(sqlErrors, happened(t.ServerErrors), name, "server")
	s.words(sqlErrors, happened(t.ProxyErrors), name, "proxy")
	s.times(poolWaitDuration, &t.Waits, name)
	s.times(upstreamTime, &t.Upstream, name)
	s.times(clientTime, &t.Answers[traffic.ByServer], name, "server")
	s.times(clientTime, &t.Answers[traffic.ByCache], name, "cache")
	s.times(clientTime, &t.Answers[traffic.ByProxy], name, "proxy")
}

// happened are those of a list that are not zero: of the many classes of errors most never occur. That of all that have no class of
// their own is always there, so that the metric is.
func happened(list []traffic.Count) []traffic.Count {
	var some []traffic.Count
	for _, of := range list {
		if of.N > 0 || of.Word == traffic.OtherClass {
			some = append(some, of)
		}
	}
	return some
}

func (s scrape) caches(list []proxy.CacheStatus) {
	for _, c := range list {
		name := databaseLabel(c.Database)
		s.value(cacheEntries, float64(c.Entries), name)
		s.value(cacheBytes, float64(c.Bytes), name)
		s.value(cacheEvictions, float64(c.Evictions), name)
		s.value(cacheInvalidations, float64(c.Invalidations), name)
		s.value(cacheRaces, float64(c.RacesLost), name)
		s.value(cacheOversize, float64(c.Oversize), name)
		s.value(cacheRefreshes, float64(c.Refreshes), name)
		s.value(cacheWouldHit, float64(c.WouldHit), name)
	}
}

func (s scrape) catalogs(list []proxy.CatalogStatus) {
	for i := range list {
		name := databaseLabel(list[i].Database)
		s.times(catalogLooks, &list[i].Looks, name)
		s.times(catalogLoads, &list[i].Loads, name)
		s.count(catalogFailures, list[i].Failures, name)
	}
}

func (s scrape) program(p Program) {
	s.count(droppedLines, p.DroppedLines)
	s.count(reloads, p.Reloads, "ok")
	s.count(reloads, p.Failed, "failed")
	successful := 1.0
	if p.LastFailed {
		successful = 0
	}
	s.value(reloadSuccess, successful)
	s.value(reloadTimestamp, float64(p.Loaded.UnixMilli())/1e3)
}
