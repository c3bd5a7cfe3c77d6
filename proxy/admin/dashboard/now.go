package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// Bounds of the document of counters. What is beyond them is added up.
const (
	maxDatabases = 50
	maxPools     = 20 // of a database
	maxName      = 63 // bytes of a user's name; those of databases are the configuration's, and are asked by
	// fresh is how long a snapshot is good for everybody who asks.
	fresh = 200 * time.Millisecond
)

// now is the document that the page asks for once a second: counters, of which it computes rates, and what things are like at the moment.
type now struct {
	At        float64    `json:"at"` // seconds
	Databases []database `json:"databases"`
}

// greeting is what one visitor is told besides.
type greeting struct {
	*now
	Version string `json:"version"`
	Token   string `json:"token"`
	User    string `json:"user"`     // who has logged in
	Acts    string `json:"acts"`     // what this user may purge: "all", "own" databases, or "nothing"
	MayLog  bool   `json:"mayLogIn"` // there is anybody who could
}

// database is what has passed of one database since the proxy began. Times are seconds.
type database struct {
	Name       string `json:"name"`
	Others     int    `json:"others"` // how many databases this is the sum of; 0: it is one
	Statements uint64 `json:"statements"`
	Hits       uint64 `json:"hits"`
	Misses     uint64 `json:"misses"` // of statements that could have been hits
	Errors     uint64 `json:"errors"`
	// Server and Cache count answers by the time they took: the i-th took up to 2^(i-20) seconds. Zeros at the end are left out.
	Server []uint64 `json:"server"`
	Cache  []uint64 `json:"cache"`

	Mode    string    `json:"mode"` // of the cache
	Entries int64     `json:"entries"`
	Bytes   int64     `json:"bytes"`
	Pools   []onePool `json:"pools"`
}

// onePool is one pool as it is.
type onePool struct {
	User       string  `json:"user"`
	Others     int     `json:"others"` // how many users this is the sum of; 0: it is one
	Mode       string  `json:"mode"`
	Size       int     `json:"size"`
	Leased     int     `json:"leased"`
	Idle       int     `json:"idle"`
	Waiting    int     `json:"waiting"`
	OldestWait float64 `json:"oldestWait"`
	Clients    int64   `json:"clients"`
	Pinned     int64   `json:"pinned"`
}

// A snapshot is shared by all who ask within a moment.
type snapshot struct {
	mu    sync.Mutex // guards the fields below; held while one is taken, so that nobody takes another
	taken time.Time
	now   *now
}

func (h *Handler) answerNow(w http.ResponseWriter, _ *http.Request, v visitor) {
	users := h.doors.Load().Users
	g := greeting{now: h.snapshot(), Version: h.Version, Token: h.token, User: v.user, Acts: "nothing", MayLog: users}
	switch {
	case v.role == Administrator || !users:
		g.Acts = "all"
	case v.role != Nobody:
		g.Acts = "own"
	}
	write(w, http.StatusOK, g)
}

func (h *Handler) snapshot() *now {
	s := &h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := time.Now(); s.now == nil || at.Sub(s.taken) >= fresh {
		s.taken = at
		s.now = h.look()
		s.now.At = float64(at.UnixMicro()) / 1e6
	}
	return s.now
}

// look reads the snapshots of the proxy.
func (h *Handler) look() *now {
	n := &now{Databases: []database{}}
	places := make(map[string]int)
	names := h.Proxy.DatabaseNames()
	for i, name := range names {
		places[name] = min(i, maxDatabases-1)
		if i < maxDatabases {
			n.Databases = append(n.Databases, database{Name: name, Pools: []onePool{}})
		}
	}
	if left := len(names) - maxDatabases; left > 0 {
		last := &n.Databases[maxDatabases-1]
		last.Name, last.Others = "others", left+1
	}
	of := func(name string) *database {
		if i, known := places[name]; known {
			return &n.Databases[i]
		}
		return new(database) // it has just come, or gone
	}
	for _, t := range h.Proxy.Traffic() {
		of(t.Database).pass(&t.Counts)
	}
	for _, c := range h.Proxy.Caches() {
		of(c.Database).keep(&c)
	}
	for _, p := range h.Proxy.Pools() {
		d := of(p.Database)
		d.Pools = append(d.Pools, poolNow(&p))
	}
	for i := range n.Databases {
		n.Databases[i].Pools = busiest(n.Databases[i].Pools)
	}
	return n
}

// pass adds what has passed of one user.
func (d *database) pass(c *traffic.Counts) {
	for _, of := range c.Statements {
		d.Statements += of.N
		switch of.Word {
		case "hit", "stale", "coalesced":
			d.Hits += of.N
		case "miss":
			d.Misses += of.N
		}
	}
	for _, list := range [][]traffic.Count{c.ServerErrors, c.ProxyErrors} {
		for _, of := range list {
			d.Errors += of.N
		}
	}
	d.Server = addTimes(d.Server, &c.Answers[traffic.ByServer])
	d.Cache = addTimes(d.Cache, &c.Answers[traffic.ByCache])
}

// addTimes adds a distribution to buckets without zeros at their end.
func addTimes(sum []uint64, d *traffic.Distribution) []uint64 {
	for i, n := range d.Buckets {
		if n == 0 {
			continue
		}
		for len(sum) <= i {
			sum = append(sum, 0)
		}
		sum[i] += n
	}
	return sum
}

func (d *database) keep(c *proxy.CacheStatus) {
	d.Entries += c.Entries
	d.Bytes += c.Bytes
	switch {
	case d.Others > 0:
	case !c.Enabled:
		d.Mode = "off"
	case c.DryRun:
		d.Mode = "dry run"
	default:
		d.Mode = "on"
	}
}

func poolNow(p *proxy.PoolStatus) onePool {
	return onePool{
		User: shortened(p.User), Mode: p.Mode, Size: p.Size, Leased: p.Leased, Idle: p.Idle, Waiting: p.Waiting,
		OldestWait: p.OldestWait.Seconds(), Clients: p.Clients, Pinned: p.Pinned,
	}
}

// busiest puts those in front for whose servers most wait, and adds up who is beyond the bound.
func busiest(list []onePool) []onePool {
	slices.SortFunc(list, func(a, b onePool) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Leased, a.Leased), cmp.Compare(b.Clients, a.Clients), strings.Compare(a.User, b.User))
	})
	if len(list) <= maxPools {
		return list
	}
	sum := onePool{User: "others"}
	for _, p := range list[maxPools-1:] {
		sum.Others++
		sum.Size += p.Size
		sum.Leased += p.Leased
		sum.Idle += p.Idle
		sum.Waiting += p.Waiting
		sum.OldestWait = max(sum.OldestWait, p.OldestWait)
		sum.Clients += p.Clients
		sum.Pinned += p.Pinned
	}
	return append(list[:maxPools-1], sum)
}

// shortened is the name of a user, which a client may have made up.
func shortened(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "\uFFFD")
}
