package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// Options are what a Keeper is given. All fields are required, but for Policy and Logger.
type Options struct {
	Identity *session.Identity // whose lenses are given catalogs
	Company  Company           // the identity's sessions
	Shelf    *Shelf            // of the database
	Pool     Pool              // in which the keeper's connection takes a slot
	// Connect logs in as the pool does, and then has the session's settings be those that are named.
	Connect func(ctx context.Context, settings string) (*upstream.Conn, error)
	// WaitTimeout is how long clients wait for a connection of the pool; 0: for ever.
	WaitTimeout time.Duration
	Policy      *querycache.Policy // of the database; nil: nothing is cached
	Logger      *slog.Logger       // nil: nothing is logged
}

// Company tells of the sessions of an identity. Safe for concurrent use.
type Company interface {
	Present() int64  // how many there are
	Arrived() uint64 // how many there ever were
}

// A Keeper looks after the catalog of one identity: it loads the inventory of the database, and what each of the lenses in use sees
// of it. It has a connection for a look, and between looks as long as nobody else needs the slot. It is made by New. Safe for
// concurrent use.
type Keeper struct {
	given    Options
	identity *session.Identity
	log      *slog.Logger
	signals
	terms  atomic.Pointer[terms]             // others than those given, from the next look on
	policy atomic.Pointer[querycache.Policy] // of the database, as it is now
	system atomic.Pointer[string]            // what the server says it is; empty if it does not say, nil if it was not asked

	turn chan struct{}  // holds one while somebody uses the fields below, for as long as the server takes
	conn *upstream.Conn // nil: none is open
	// looked are the signs of conn's last look by which what is known holds; nil: there was none.
	looked *classify.Signs
	slot   *slot // of conn

	asked atomic.Pointer[upstream.Conn] // conn, for whoever must interrupt it; may be read without the turn
	awake atomic.Bool                   // it looks every few seconds, whoever comes

	beliefs
	pace
	visiting bool // the look under way is for an operator, and perhaps no client has logged in yet
}

// signals are what others tell a keeper.
type signals struct {
	kick chan struct{} // holds one if the catalog is to be looked at soon
	back chan struct{} // holds one if the server, which could not be reached, may be back
	// anew says that the connection is to be left before the next look.
	anew atomic.Bool
}

// terms are what a keeper is given that may change.
type terms struct {
	waitTimeout time.Duration
	policy      *querycache.Policy
}

// beliefs are what a keeper holds to be true of the catalog.
type beliefs struct {
	known    *knowledge                 // nil: nothing was loaded yet
	aside    []aside                    // while nobody looks after them
	trust    trust                      // without a look
	trusted  []string                   // functions that the configuration names
	troubles map[*session.Lens]*trouble // of lenses that cannot have a catalog
}

// knowledge is what was loaded, and by what it is told whether it still holds.
type knowledge struct {
	version   uint64          // another one for every inventory that was loaded
	signs     *classify.Signs // by which the inventory was last found to hold
	login     *classify.Login
	inventory *classify.Inventory
	rights    map[string]*classify.Rights // by role; nil: there is no such role, or it cannot be taken on
}

// An aside is a catalog that nobody looks after for the time being.
type aside struct {
	lens       *session.Lens
	catalog    *classify.Catalog
	generation uint64 // by which it may be put back
}

// Forget has nothing be judged by the catalogs of now, and them be looked at anew.
func (k *Keeper) Forget() {
	for _, l := range k.identity.EveryLens() {
		l.Classifier.Stale()
	}
	k.Ask()
}

// Doubt is Forget where it is known what may have changed.
func (k *Keeper) Doubt(what []*classify.Touch) {
	for _, l := range k.identity.EveryLens() {
		l.Classifier.Doubt(what...)
	}
	k.Ask()
}

// Ask has the catalog looked at soon.
func (k *Keeper) Ask() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// Renew has the keeper leave its connection, and look at the catalog through another one.
func (k *Keeper) Renew() {
	k.anew.Store(true)
	k.Ask()
}

// Come is called when a session is there after there was none, and has arrived by what Company tells. It has the catalog looked at
// soon, unless that is done every few seconds anyway: clients that open a connection for each of their questions would else have the
// server asked about its catalog as often.
func (k *Keeper) Come() {
	if !k.awake.Load() {
		k.Ask()
	}
}

// MayBeBack has the keeper look at once, if it only waits for the server to be there again.
func (k *Keeper) MayBeBack() {
	select {
	case k.back <- struct{}{}:
	default:
	}
}

// SharesServer reports whether two keepers are known to look at one server, by what the servers say of themselves. A copy of a
// server says the same, and then no harm is done.
func (k *Keeper) SharesServer(other *Keeper) bool {
	a, b := k.system.Load(), other.system.Load()
	return a != nil && b != nil && *a != "" && *a == *b
}

// begin waits for the turn to use the keeper's fields.
func (k *Keeper) begin(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the catalog: %w", ctx.Err())
	}
}

func (k *Keeper) finish() { <-k.turn }

// logLevel says how bad it is if there is no catalog.
func (k *Keeper) logLevel() slog.Level {
	if k.identity.Cache == nil {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
