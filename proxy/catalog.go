package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// This file keeps the classifiers' picture of the catalog fresh, over a connection of its own. Without a picture nothing is
// cached, so a failure costs speed and nothing else.

// How often the catalog is looked at.
const (
	catalogPause = 200 * time.Millisecond // between two looks that were asked for
	catalogPoll  = 5 * time.Second        // between two looks for DDL and GRANT that went around the proxy
	catalogLimit = 30 * time.Second       // for one look
	// These are for the rest of a look while a client waits for its slot: of the first one, without which hardly anything is cached and
	// nearly every lease costs a wash; at least; and at most.
	catalogFirst, catalogGrace, catalogPatience = time.Second, 250 * time.Millisecond, 10 * time.Second
	// catalogWorth is how many leases a second make a catalog worth a connection of a full pool where nothing is cached.
	catalogWorth = 20
	catalogBye   = 500 * time.Millisecond // for the server to hang up
	catalogRest  = time.Minute            // without a client, until the keeper hangs up
	// catalogEarly is when the keeper begins to wait for a slot where it had to give its own away.
	catalogEarly = 3 * time.Second
)

// A catalogKeeper looks after the catalog of one origin: it loads the inventory of the database, and what each of the lenses in
// use sees of it. It has a connection for a look, and between looks as long as nobody else needs the slot.
type catalogKeeper struct {
	server *Server
	origin *origin

	turn chan struct{}  // holds one while somebody uses the fields below, for as long as the server takes
	conn *upstream.Conn // nil: none is open
	slot *slot          // of conn

	asked atomic.Pointer[upstream.Conn] // conn, for whoever must interrupt it; may be read without the turn

	known    *knowledge                 // nil: nothing was loaded yet
	grace    grace                      // of a look
	traffic  traffic                    // at the last look
	needy    atomic.Bool                // clients needed the slot at the last look
	aside    []aside                    // while nobody looks after them
	trust    trust                      // without a look
	troubles map[*session.Lens]*trouble // of lenses that cannot have a catalog
	visiting bool                       // no client may have been there yet who learnt of the server
	came     uint64                     // sessions, at the last look
	busy     time.Time                  // when there last was one
}

// A grace is how long a look may go on while a client waits for its slot: now, and at most.
type grace struct{ now, most time.Duration }

func (g *grace) begin()  { g.now = min(catalogFirst, g.most) }
func (g *grace) double() { g.now = min(2*g.now, g.most) }

// fit leaves the next look, after one that took so long, time enough to be as slow. It forgets by halves: most looks only compare
// fingerprints, and the next one may have to read the whole catalog.
func (g *grace) fit(took time.Duration) { g.now = min(max(2*took, g.now/2, catalogGrace), g.most) }

// traffic is how many leases the pool had handed out at some time.
type traffic struct {
	leases  uint64
	counted time.Time
}

// knowledge is what was loaded, and by what it is told whether it still holds.
type knowledge struct {
	fingerprint string
	login       *classify.Login
	inventory   *classify.Inventory
	rights      map[string]*classify.Rights // by role; nil: there is no such role, or it cannot be taken on
}

// An aside is a catalog that nobody looks after for the time being.
type aside struct {
	lens       *session.Lens
	catalog    *classify.Catalog
	generation uint64 // by which it may be put back
}

// followCatalog runs until the origin is given up or the server stops.
func (s *Server) followCatalog(o *origin) {
	k := o.keeper
	defer k.close()
	doubled := catalogPause // the next pause of a keeper that fails
	for {
		select {
		case <-o.back: // said of an earlier time
		default:
		}
		var pause time.Duration
		var signal <-chan struct{}
		if err := k.attend(o.context); err == nil {
			doubled = catalogPause
		} else if !s.stopping.Load() && o.context.Err() == nil {
			doubled = min(2*doubled, catalogRetry)
			pause, signal = k.retry(err, doubled)
			o.askCatalog()
		}
		if !k.linger(o.context, catalogPause, nil) || !k.linger(o.context, pause-catalogPause, signal) ||
			!k.linger(o.context, k.poll(), o.kick) {
			return
		}
	}
}

// catalogLevel says how bad it is if there is no catalog.
func (o *origin) catalogLevel() slog.Level {
	if o.Cache == nil {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// poll returns how long the next look can wait.
func (k *catalogKeeper) poll() time.Duration {
	pause := catalogPoll
	if k.needy.Load() {
		pause = catalogEarly
	}
	return min(pause, k.origin.Ghosts.Patience())
}

// wait returns true when the time is up or the signal came, false when ctx ended.
func wait(ctx context.Context, d time.Duration, signal <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-signal:
		return true
	case <-ctx.Done():
		return false
	}
}

// linger is wait for a keeper. Meanwhile its slot is given to whoever wants it.
func (k *catalogKeeper) linger(ctx context.Context, d time.Duration, signal <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case <-signal:
			return true
		case <-k.slot.wanted():
			if k.begin(ctx) != nil {
				return false
			}
			if isClosed(k.slot.wanted()) { // else whoever had the turn has given it back
				k.hangUp()
			}
			k.finish()
		case <-ctx.Done():
			return false
		}
	}
}

// begin waits for the turn to use the keeper's fields.
func (k *catalogKeeper) begin(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the catalog: %w", ctx.Err())
	}
}

func (k *catalogKeeper) finish() { <-k.turn }

// attend looks at the catalog, unless nobody needs it. When it fails nothing is cached.
func (k *catalogKeeper) attend(ctx context.Context) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	if unneeded := k.idle() || !k.worthwhile(time.Now()); unneeded && len(k.origin.Ghosts.List()) == 0 {
		k.rest()
		return nil
	}
	return k.look(ctx)
}

// visit has the origin know its server and its catalog, as if a client had been there.
func (k *catalogKeeper) visit(ctx context.Context) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	k.busy = time.Now()
	o := k.origin
	if o.Usual.Classifier.Catalog() != nil && o.Known() {
		return nil
	}
	if !o.Known() {
		k.hangUp() // a login tells of the server
	}
	k.visiting = true
	defer func() { k.visiting = false }()
	if err := k.look(ctx); err != nil {
		return err
	}
	k.server.followOnce(o)
	return nil
}

// idle reports whether nobody was logged in for so long that the server is to be left in peace.
func (k *catalogKeeper) idle() bool {
	o := k.origin
	came := o.arrived.Load()
	if o.sessions.Load() > 0 || came != k.came {
		k.came, k.busy = came, time.Now()
	}
	return !k.busy.IsZero() && time.Since(k.busy) >= catalogRest
}

// worthwhile reports whether a look is worth a client's connection, should it cost one. Where nothing is cached the catalog only
// saves questions, and few are asked where little happens.
func (k *catalogKeeper) worthwhile(now time.Time) bool {
	if k.origin.Cache != nil || k.conn != nil {
		return true
	}
	s := k.origin.pool.Stats()
	rate := float64(s.Acquires-k.traffic.leases) / max(now.Sub(k.traffic.counted).Seconds(), 0.1)
	k.traffic = traffic{s.Acquires, now}
	return s.Open+s.Reserved < s.Size || rate >= catalogWorth
}

// rest hangs up. What changes from now on is not noticed, so the catalog is not trusted before the next look.
func (k *catalogKeeper) rest() {
	k.hangUp()
	k.suspend()
}

// suspend puts the catalogs aside.
func (k *catalogKeeper) suspend() {
	for _, l := range k.origin.EveryLens() {
		if catalog, generation := l.Classifier.Suspend(); catalog != nil {
			k.aside = append(k.aside, aside{l, catalog, generation})
		}
	}
}

// look asks whether the catalog is still the same, and has every lens in use have its picture. It ends in time: where clients
// wait for its slot it is broken off after a while, the next time after twice as long. Call it with turn held.
func (k *catalogKeeper) look(ctx context.Context) error {
	k.trust.doubted = false
	if err := k.takeSlot(ctx); err != nil {
		return k.fail(kindOf(err, false, false), err)
	}
	ctx, stop := context.WithTimeout(ctx, catalogLimit)
	defer stop()
	over := make(chan struct{})
	yielding := make(chan bool, 1)
	go func() { yielding <- k.yield(over, stop) }()
	began := time.Now()
	err := k.examine(ctx)
	took := time.Since(began)
	close(over)
	wanted := <-yielding
	if err != nil {
		kind := kindOf(err, k.conn != nil, ctx.Err() != nil)
		if wanted {
			k.grace.double()
			if ctx.Err() != nil {
				kind = brokenOff
			}
		}
		return k.fail(kind, err)
	}
	k.grace.fit(took)
	needy := wanted || k.slot.tight
	k.needy.Store(needy)
	if needy {
		k.hangUp()
	}
	return nil
}

// takeSlot waits for a slot. Meanwhile nothing is noticed of what changes, so the catalogs are not trusted for ever.
func (k *catalogKeeper) takeSlot(ctx context.Context) error {
	late := make(chan struct{})
	alarm := time.AfterFunc(max(catalogPoll-catalogEarly, k.trust.left()), func() { close(late) })
	defer alarm.Stop()
	return k.slot.take(ctx, late, k.suspend)
}

// yield has a look stop some time after its slot is wanted, unless it is over before. It returns whether the slot was wanted.
func (k *catalogKeeper) yield(over <-chan struct{}, stop func()) bool {
	select {
	case <-over:
		return false
	case <-k.slot.wanted():
	}
	t := time.NewTimer(k.grace.now)
	defer t.Stop()
	select {
	case <-over:
	case <-t.C:
		k.interrupt()
		stop()
	}
	return true
}

// interrupt has the server end the question at hand, so that it does not go on with it when the connection is gone.
func (k *catalogKeeper) interrupt() {
	conn := k.asked.Load()
	if conn == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), catalogBye)
	defer stop()
	if conn.Home.Cancel(ctx, conn.PID, conn.Secret) == nil {
		wait(ctx, 50*time.Millisecond, nil) // for the server to say so, and to hang up in good order
	}
}

// close hangs up for good.
func (k *catalogKeeper) close() {
	k.turn <- struct{}{}
	defer k.finish()
	k.rest()
}

// hangUp closes the connection and gives its slot back.
func (k *catalogKeeper) hangUp() {
	k.disconnect()
	k.slot.giveBack()
}

// disconnect closes the connection, for another one.
func (k *catalogKeeper) disconnect() {
	if k.conn != nil {
		k.asked.Store(nil)
		k.conn.Close(catalogBye)
		k.conn = nil
	}
}

// sharesServer reports whether two origins are known to be at one server: by the address in the configuration, or by what the
// servers say of themselves. A copy of a server says the same, and then no harm is done.
func (o *origin) sharesServer(p *origin) bool {
	if o.dialer.Target.Server() == p.dialer.Target.Server() {
		return true
	}
	a, b := o.system.Load(), p.system.Load()
	return a != nil && b != nil && *a != "" && *a == *b
}

// forgetCatalog has the catalog looked at anew before anything is cached again.
func (o *origin) forgetCatalog() {
	for _, l := range o.EveryLens() {
		l.Classifier.Stale()
	}
	o.askCatalog()
}

// askCatalog has the catalog looked at soon.
func (o *origin) askCatalog() {
	select {
	case o.kick <- struct{}{}:
	default:
	}
}
