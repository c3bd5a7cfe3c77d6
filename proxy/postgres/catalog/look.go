package catalog

import (
	"context"
	"time"
)

// This file is one look at the catalog, from the wait for a slot to the end of it; examine.go is what is asked meanwhile.

// attend looks at the catalog, unless nobody needs it. When it fails nothing is cached.
func (k *Keeper) attend(ctx context.Context) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	// Before it is known whether somebody is there: who comes later than that must find it so.
	k.awake.Store(false)
	if unneeded := k.idle() || !k.worthwhile(time.Now()); unneeded && len(k.identity.Ghosts.List()) == 0 {
		k.rest()
		return nil
	}
	k.awake.Store(true)
	return k.look(ctx)
}

// look asks whether the catalog is still the same, and has every lens in use have its picture. It ends in time: where clients
// wait for its slot it is broken off after a while, the next time after twice as long. Call it with turn held.
func (k *Keeper) look(ctx context.Context) error {
	k.trust.doubted = false
	if t := k.terms.Swap(nil); t != nil {
		k.follow(*t)
	}
	if k.anew.Swap(false) {
		k.hangUp()
	}
	if err := k.takeSlot(ctx); err != nil {
		return k.fail(kindOf(err, false, false), err)
	}
	ctx, stop := context.WithTimeout(ctx, lookLimit)
	defer stop()
	over := make(chan struct{})
	yielding := make(chan bool, 1)
	go func() { yielding <- k.yield(over, stop) }()
	began := time.Now()
	err := k.examine(ctx)
	took := time.Since(began)
	k.given.Shelf.looks.Observe(took)
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
func (k *Keeper) takeSlot(ctx context.Context) error {
	late := make(chan struct{})
	alarm := time.AfterFunc(max(lookPoll-earlyPoll, k.trust.left()), func() { close(late) })
	defer alarm.Stop()
	return k.slot.take(ctx, late, k.suspend)
}

// yield has a look stop some time after its slot is wanted, unless it is over before. It returns whether the slot was wanted.
func (k *Keeper) yield(over <-chan struct{}, stop func()) bool {
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
