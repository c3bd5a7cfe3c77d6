package catalog

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"overdrive/querycache"
)

// Run looks after the catalog until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	defer k.close()
	doubled := lookPause // the next pause of a keeper that fails
	for {
		select {
		case <-k.back: // said of an earlier time
		default:
		}
		var pause time.Duration
		var signal <-chan struct{}
		if err := k.attend(ctx); err == nil {
			doubled = lookPause
		} else if ctx.Err() == nil {
			doubled = min(2*doubled, mostRetry)
			pause, signal = k.retry(ctx, err, doubled)
			k.Ask()
		}
		if !k.linger(ctx, lookPause, nil) || !k.linger(ctx, pause-lookPause, signal) || !k.linger(ctx, k.poll(), k.kick) {
			return
		}
	}
}

// Visit has the identity know its server and its catalog, as if a client had been there. It takes as long as the server does, until
// ctx ends.
func (k *Keeper) Visit(ctx context.Context) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	k.busy = time.Now()
	if k.identity.Usual.Classifier.Catalog() != nil && k.identity.Known() {
		return nil
	}
	if !k.identity.Known() {
		k.hangUp() // a login tells of the server
	}
	k.visiting = true
	defer func() { k.visiting = false }()
	return k.look(ctx)
}

// close hangs up for good.
func (k *Keeper) close() {
	k.turn <- struct{}{}
	defer k.finish()
	k.rest()
}

// New returns a keeper that does nothing before it is told to.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{
		given: o, identity: o.Identity, log: o.Logger, turn: make(chan struct{}, 1), slot: newSlot(o.Pool),
		signals: signals{kick: make(chan struct{}, 1), back: make(chan struct{}, 1)},
	}
	k.policy.Store(o.Policy)
	k.follow(terms{o.WaitTimeout, o.Policy})
	return k
}

// Reconfigure changes two of the options: see there. It may be called from any goroutine. What the policy says of functions holds from the
// next look on, for which nothing is judged meanwhile.
func (k *Keeper) Reconfigure(waitTimeout time.Duration, policy *querycache.Policy) {
	var before, after []string
	if old := k.policy.Swap(policy); old != nil {
		before = old.Trusted
	}
	if policy != nil {
		after = policy.Trusted
	}
	k.terms.Store(&terms{waitTimeout, policy})
	if !slices.Equal(before, after) {
		k.Forget()
	}
}

// linger is wait for a keeper. Meanwhile its slot is given to whoever wants it.
func (k *Keeper) linger(ctx context.Context, d time.Duration, signal <-chan struct{}) bool {
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
