package admin

import (
	"slices"
	"sync"
	"time"

	"overdrive/proxy"
)

// This file shows counters: SHOW STATS, STATS_TOTALS, STATS_AVERAGES and TOTALS. The names of their columns differ as PgBouncer's do.

// counters are what PgBouncer counts of a database, in the order of its columns: see the indices. Times are in microseconds.
type counters [countersNumber]int64

const (
	assignments = iota
	transactions
	queries
	received
	sent
	transactionTime
	queryTime
	waitTime
	clientParses
	serverParses
	binds

	countersNumber
)

// perEvent names, for each counter of times, the counter of that which took the time.
var perEvent = map[int]int{transactionTime: transactions, queryTime: queries, waitTime: assignments}

var (
	totalNames = []string{"=total_server_assignment_count", "=total_xact_count", "=total_query_count", "=total_received", "=total_sent",
		"=total_xact_time", "=total_query_time", "=total_wait_time", "=total_client_parse_count", "=total_server_parse_count", "=total_bind_count"}
	averageNames = []string{"=avg_server_assignment_count", "=avg_xact_count", "=avg_query_count", "=avg_recv", "=avg_sent", "=avg_xact_time",
		"=avg_query_time", "=avg_wait_time", "=avg_client_parse_count", "=avg_server_parse_count", "=avg_bind_count"}
	statsColumns = columnsOf(slices.Concat([]string{"database"}, totalNames, averageNames, []string{"#total_wait_count",
		"#total_wait_timeout_count", "#total_login_count", "#total_login_failure_count", "#total_pinned_wait_count"})...)
	totalsColumns = columnsOf("database", "=server_assignment_count", "=xact_count", "=query_count", "=bytes_received", "=bytes_sent",
		"=xact_time", "=query_time", "=wait_time", "=client_parse_count", "=server_parse_count", "=bind_count")
	averagesColumns = columnsOf("database", "=server_assignment_count", "=xact_count", "=query_count", "=bytes_received", "=bytes_sent",
		"=xact_time", "=query_time", "=wait_time", "=avg_client_parse_count", "=avg_server_parse_count", "=avg_bind_count")
	sumColumns = columnsOf("name", "=value")
	sumNames   = []string{"server_assignment_count", "xact_count", "query_count", "client_bytes", "server_bytes", "xact_time", "query_time",
		"wait_time", "ps_client_parse_count", "ps_server_parse_count", "ps_bind_count"}
)

// A stat is what is known of one database.
type stat struct {
	database                                      string
	total, average                                counters
	waits, timeouts, dials, failures, pinnedWaits uint64
}

// stats returns what is known of each database, in their order.
func (c *conn) stats() []stat {
	pools, passed := c.console.proxy.Pools(), c.console.proxy.Traffic()
	var list []stat
	totals := make(map[string]counters)
	for _, name := range c.console.proxy.DatabaseNames() {
		s := stat{database: name}
		for i := range pools {
			if pools[i].Database == name {
				s.addPool(&pools[i])
			}
		}
		for i := range passed {
			if passed[i].Database == name {
				s.total.addTraffic(&passed[i])
			}
		}
		totals[name] = s.total
		list = append(list, s)
	}
	before, span := c.console.period.before(time.Now(), totals)
	for i := range list {
		s := &list[i]
		s.average = average(s.total, before[s.database], span)
	}
	return list
}

func (s *stat) addPool(p *proxy.PoolStatus) {
	s.total[assignments] += int64(p.Acquires)
	s.total[waitTime] += p.WaitTime.Microseconds()
	s.waits += p.Waits
	s.timeouts += p.Timeouts
	s.dials += p.Dials
	s.failures += p.DialFailures
	s.pinnedWaits += p.PinnedWaits
}

// addTraffic adds what has passed of one user. A statement counts as a query whoever has answered it, and takes the time that the server
// took. How many statements were prepared is not counted.
func (c *counters) addTraffic(t *proxy.TrafficStatus) {
	for _, s := range t.Statements {
		c[queries] += int64(s.N)
	}
	c[transactions] += int64(t.Transactions)
	c[received] += int64(t.FromClients)
	c[sent] += int64(t.ToClients)
	c[transactionTime] += t.TransactionTime.Microseconds()
	c[queryTime] += t.Upstream.Sum.Microseconds()
}

// average is what was counted in a span: of events, how many in a second; of times, how long each event took.
func average(now, before counters, span time.Duration) (avg counters) {
	var grown counters
	for i := range grown {
		grown[i] = max(now[i]-before[i], 0)
	}
	for i := range avg {
		if event, isTime := perEvent[i]; !isTime {
			avg[i] = int64(float64(grown[i]) / max(span, time.Millisecond).Seconds())
		} else if grown[event] > 0 {
			avg[i] = grown[i] / grown[event]
		}
	}
	return avg
}

// statsPeriod is how long the latest averages are over, at least, once there was as much time.
const statsPeriod = time.Minute

// A period remembers counters, so that averages are of the latest time. It is begun with the program; counters are remembered when
// somebody asks, so averages are over one to two minutes if that is often.
type period struct {
	mu           sync.Mutex // guards the fields below
	older, newer snapshot
}

type snapshot struct {
	at time.Time
	of map[string]counters // by database
}

// begin has everything be counted from now on.
func (p *period) begin(now time.Time) { p.older.at, p.newer.at = now, now }

// before returns what the counters were some time ago, and how long ago that is.
func (p *period) before(now time.Time, totals map[string]counters) (map[string]counters, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.newer.at) >= statsPeriod {
		p.older, p.newer = p.newer, snapshot{now, totals}
	}
	return p.older.of, now.Sub(p.older.at)
}

// cells are counters as a part of a row.
func (c *counters) cells() (row []any) {
	for _, n := range c {
		row = append(row, n)
	}
	return row
}

func (c *conn) showStats(*statement) ([][]any, error) {
	var rows [][]any
	for _, s := range c.stats() {
		rows = append(rows, slices.Concat([]any{s.database}, s.total.cells(), s.average.cells(),
			[]any{int64(s.waits), int64(s.timeouts), int64(s.dials), int64(s.failures), int64(s.pinnedWaits)}))
	}
	return rows, nil
}

func (c *conn) showTotalsByDatabase(*statement) ([][]any, error) {
	var rows [][]any
	for _, s := range c.stats() {
		rows = append(rows, append([]any{s.database}, s.total.cells()...))
	}
	return rows, nil
}

func (c *conn) showAverages(*statement) ([][]any, error) {
	var rows [][]any
	for _, s := range c.stats() {
		rows = append(rows, append([]any{s.database}, s.average.cells()...))
	}
	return rows, nil
}

// showTotals adds the databases up. An average time is weighed by how often it was needed.
func (c *conn) showTotals(*statement) ([][]any, error) {
	var total, avg, spent counters
	for _, s := range c.stats() {
		for i := range total {
			total[i] += s.total[i]
			if event, isTime := perEvent[i]; isTime {
				spent[i] += s.average[i] * s.average[event]
			} else {
				avg[i] += s.average[i]
			}
		}
	}
	for i, event := range perEvent {
		if avg[event] > 0 {
			avg[i] = spent[i] / avg[event]
		}
	}
	var rows [][]any
	for i, name := range sumNames {
		rows = append(rows, []any{"total_" + name, total[i]})
	}
	for i, name := range sumNames {
		rows = append(rows, []any{"avg_" + name, avg[i]})
	}
	return rows, nil
}
