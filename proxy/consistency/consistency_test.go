package consistency_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/postgres"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/pool"
	"overdrive/proxy/proxytest"
	"overdrive/querycache"
)

// consistencyTime is how long the checker runs unless the environment says otherwise.
const consistencyTime = 8 * time.Second

// An entrance is one database of the proxy's configuration. All those of a world are one database upstream, and one cache.
type entrance struct {
	suffix   string
	mode     postgres.PoolMode
	size     int
	ownUser  bool // clients are themselves at the server
	roamers  int
	writers  int // how many of the roamers write much
	noBlocks bool
}

// Every pool is smaller than the number of its clients.
var entrances = []entrance{
	{suffix: "_wide", size: 3, roamers: 5, writers: 2},
	{suffix: "_narrow", size: 1, roamers: 3, writers: 1},
	{suffix: "_statement", mode: postgres.StatementPooling, size: 2, roamers: 3, writers: 1, noBlocks: true},
	{suffix: "_own", size: 1, ownUser: true, roamers: 2, writers: 1},
}

// stuck is how long a client may wait for a server until something is taken to be wrong with the pool. Everybody wants the
// same few rows, and a schema change waits for all who read them, so on a busy machine that may be long.
const stuck = 4 * rig.Patience

// A checker runs roamers in one world.
type checker struct {
	tb     testing.TB
	world  *world
	name   string
	in     *rig.Instance
	pg     *proxytest.Postgres
	tally  tally
	seed   uint64
	over   time.Time
	policy querycache.Policy
}

// newChecker makes the database of a world.
func newChecker(tb testing.TB, name string, seed uint64, policy querycache.Policy) *checker {
	c := &checker{tb: tb, world: newWorld(), name: name, seed: seed, policy: policy}
	c.tally.statuses = map[string]int{}
	proxytest.ChangesCluster(tb)
	c.pg = rig.NewDatabase(tb, name, consistencySchema)
	return c
}

// serve starts one proxy for all checkers, with one cache.
func serve(tb testing.TB, options querycache.Options, checkers ...*checker) {
	options.SettlePeriod = time.Second // a server that broke off has ended its transaction long before
	options.Poison = true
	cache := querycache.New(options)
	in := rig.Start(tb, rig.Setup{Upstream: checkers[0].pg.Addr(), Database: checkers[0].name, Options: func(o *rig.Options) {
		usual := o.Databases[0]
		o.Databases, o.Cache, o.Loops = nil, cache, 3
		for _, c := range checkers {
			for _, n := range entrances {
				d := usual
				d.Name, d.Mode = c.name+n.suffix, n.mode
				d.Target.Database = c.name
				if n.ownUser {
					d.Target.User = ""
				}
				d.Pool, d.Cache = pool.Limits{Size: n.size, WaitTimeout: stuck}, &c.policy
				o.Databases = append(o.Databases, d)
			}
		}
	}})
	in.Cache = cache
	for _, c := range checkers {
		c.in = in
		for _, n := range entrances {
			rig.Prime(tb, in.Connect(tb, c.name+n.suffix), "select max(version) as journal from journal")
		}
	}
}

// run lets the roamers roam until the time is up or something is wrong.
func (c *checker) run(lasts time.Duration) {
	c.over = time.Now().Add(lasts)
	kinds, rare := weightedKinds()
	var all sync.WaitGroup
	for _, n := range entrances {
		for i := range n.roamers {
			r := c.roamer(fmt.Sprint(n.suffix[1:], " ", i), n.suffix, "postgres", uint64(i)+10*uint64(len(n.suffix)))
			r.noBlocks = n.noBlocks
			r.kinds = kinds
			writes := 0
			if i < n.writers {
				writes = 30
			}
			all.Go(func() { c.roam(r, writes, c.pause(r, 120)) })
		}
	}
	for i := range 2 {
		r := c.roamer(fmt.Sprint("clerk ", i), "_own", clerk, 100+uint64(i))
		r.clerk = true
		all.Go(func() { c.roam(r, 0, nil) })
	}
	administrator := c.roamer("administrator", "_own", "postgres", 200)
	administrator.kinds = rare
	all.Go(func() { c.roam(administrator, 100, c.pause(administrator, 6000)) })
	all.Go(c.reap)
	all.Wait()
}

// weightedKinds returns each kind as often as its weight says, and those that are the administrator's.
func weightedKinds() (all, rare []*kind) {
	for i := range consistencyKinds {
		k := &consistencyKinds[i]
		for range k.weight {
			all = append(all, k)
		}
		if k.weight == 0 {
			rare = append(rare, k)
		}
	}
	return all, rare
}

func (c *checker) roamer(name, suffix, user string, stream uint64) *roamer {
	return &roamer{
		world: c.world, Rand: rand.New(rand.NewPCG(c.seed, stream)), name: name, tally: &c.tally, ctx: context.Background(),
		config:   &c.in.Config(c.tb, c.name+suffix, func(config *pgconn.Config) { config.User = user }).Config,
		complain: func(what string) { c.tb.Errorf("%s: %s", name, what) },
	}
}

func (c *checker) stopped() bool { return time.Now().After(c.over) || len(c.world.violated()) > 0 }

func (c *checker) roam(r *roamer, writes int, pause func()) {
	var stop context.CancelFunc
	r.ctx, stop = context.WithDeadline(context.Background(), c.over.Add(stuck))
	defer stop()
	if err := r.connect(); err != nil {
		r.complain(err.Error())
		return
	}
	r.roam(writes, 4, 8, pause, c.stopped)
}

// pause returns what waits up to so many milliseconds, without which there would be nothing but writes to read.
func (c *checker) pause(r *roamer, most int) func() {
	return func() {
		select {
		case <-time.After(time.Duration(r.IntN(most)) * time.Millisecond):
		case <-time.After(time.Until(c.over)):
		}
	}
}

// reap now and then ends one of the proxy's connections, whatever it is doing.
func (c *checker) reap() {
	ctx, stop := context.WithDeadline(context.Background(), c.over)
	defer stop()
	conn, err := pgconn.Connect(ctx, c.pg.DSN("postgres"))
	if err != nil {
		c.tb.Error(err)
		return
	}
	defer rig.CloseConn(conn)
	tick := time.NewTicker(2500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if c.stopped() {
				return
			}
			_, _ = rig.Try(ctx, conn, fmt.Sprintf(`select pg_terminate_backend(pid) from pg_stat_activity
				where datname = '%s' order by random() limit 1`, c.name)) // what fails reaps nobody
		}
	}
}

// sampled returns how many reads were asked for their status, and of how many of these the server was not asked.
func (c *checker) sampled() (sum, hits int) {
	for status, n := range c.tally.statuses {
		sum += n
		if status == "hit" || status == "stale" || status == "coalesced" {
			hits += n
		}
	}
	return sum, hits
}

// provesLittle says that nothing was wrong so far, but that too little came from the cache, as on a machine that is busy
// otherwise: then the checker goes on. A share would not do: what the schema changes cost the cache depends on how long the look
// at the catalog takes, and that on the machine.
func (c *checker) provesLittle() bool {
	_, hits := c.sampled()
	return len(c.world.violated()) == 0 && hits < leastHits
}

// report logs what was done.
func (c *checker) report() {
	t := &c.tally
	sum, hits := c.sampled()
	c.tb.Logf("%s: %d reads, %d pipelines, %d refused; %d transactions with %d writes, %d rollbacks, %d of unknown outcome; "+
		"%d violations; hit share %.0f%% of the sample %v", c.name, t.reads.Load(), t.pipelines.Load(), t.refused.Load(),
		t.transactions.Load(), t.writes.Load(), t.rollbacks.Load(), t.unknown.Load(), len(c.world.violated()),
		float64(100*hits)/float64(max(sum, 1)), t.statuses)
}

// seedOf returns the seed of this run, which OVERDRIVE_CONSISTENCY_SEED can set.
func seedOf(tb testing.TB) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("OVERDRIVE_CONSISTENCY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Logf("OVERDRIVE_CONSISTENCY_SEED=%d", seed)
	return seed
}

// Clients read and write at random for as long as OVERDRIVE_CONSISTENCY says. No answer may be older than a write that was
// acknowledged before it was asked for, or show a half of a transaction, or what was rolled back.
func TestConsistency_NoReadIsOlderThanAnAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	lasts, err := time.ParseDuration(cmp.Or(os.Getenv("OVERDRIVE_CONSISTENCY"), consistencyTime.String()))
	if err != nil {
		t.Fatal(err)
	}
	seed := seedOf(t)
	checkers := []*checker{
		newChecker(t, "consistency_patient", seed, patient),
		newChecker(t, "consistency_hasty", seed+1, hasty),
	}
	serve(t, querycache.Options{}, checkers...)
	for round := 0; round < 12 && (round == 0 || slices.ContainsFunc(checkers, (*checker).provesLittle)); round++ {
		var all sync.WaitGroup
		for _, c := range checkers {
			all.Go(func() { c.run(lasts) })
		}
		all.Wait()
	}
	for _, c := range checkers {
		c.report()
		if v := c.world.violated(); len(v) > 0 {
			t.Errorf("%s: %d violations, the first ones:\n%s", c.name, len(v), strings.Join(v[:min(3, len(v))], "\n\n"))
		}
		if sum, hits := c.sampled(); hits < leastHits {
			t.Errorf("%s: the cache answered %d of %d that were asked, so this proves little", c.name, hits, sum)
		}
	}
	t.Logf("cache: %s", strings.Trim(fmt.Sprintf("%+v", checkers[0].in.Cache.Stats()), "{}"))
}

// patient keeps answers until they are invalid.
var patient = querycache.Policy{Enabled: true, MaxAge: time.Hour, MaxResult: 1 << 20}

// hasty makes answers age while writes race with them.
var hasty = querycache.Policy{
	Enabled: true, MaxAge: 300 * time.Millisecond, StaleWhileRevalidate: 300 * time.Millisecond, MaxResult: 1 << 20,
}

// leastHits is how many of the sampled answers are to be the cache's: with them come twenty times as many that were checked and not sampled.
const leastHits = 8
