package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file is what a Keeper asks the server.

// pending is a lens with the generation that its classifier had when a look began: what is found out then holds for it unless the
// generation has changed.
type pending struct {
	*session.Lens
	generation uint64
}

// examine asks what has changed in the catalog, and loads what is missing or has. The generations are noted before the first question: what
// changes while it is asked makes it be asked again.
func (k *Keeper) examine(ctx context.Context) error {
	began := time.Now()
	var all []pending
	for _, l := range k.identity.LensesInUse(time.Now()) {
		all = append(all, pending{l, l.Classifier.Generation()})
	}
	k.forgetTroubles(all)
	fresh := k.conn == nil
	if err := k.connect(ctx); err != nil {
		return err
	}
	signs, login, err := k.ask(ctx)
	if err != nil && !fresh { // the connection broke since the last look
		fresh = true
		signs, login, err = k.askAnew(ctx)
	}
	if err != nil {
		return err
	}
	if k.known.fits(signs, login) {
		defer k.bound(ctx)()
		if err := k.conclude(signs); err != nil {
			return err
		}
		k.putBack()
		k.trust.confirm(began)
		return k.fit(all, &classify.Difference{})
	}
	k.trust.doubted = true
	if !fresh && !k.known.logsIn(signs, login) { // what a login comes with may have changed, and an older session does not show it
		if signs, login, err = k.askAnew(ctx); err != nil {
			return err
		}
	}
	defer k.bound(ctx)()
	inventory, err := k.inventory(signs)
	if err != nil {
		return err
	}
	if err := k.conclude(signs); err != nil {
		return err
	}
	k.identity.Owned.Found(inventory.OwnSet(), inventory.Configures())
	err = k.renew(&knowledge{signs: signs, login: login, inventory: inventory}, all)
	k.trust.confirm(began)
	return err
}

// conclude ends the transaction in which the signs were asked for. The inventory that is known from now on is of its moment.
func (k *Keeper) conclude(signs *classify.Signs) error {
	if _, err := k.query("COMMIT"); err != nil {
		return err
	}
	k.looked = signs
	return nil
}

// fits reports whether what was loaded is still what there is.
func (n *knowledge) fits(signs *classify.Signs, login *classify.Login) bool {
	if n == nil || n.login.Text != login.Text || signs != n.signs && !n.inventory.Shows(signs) {
		return false
	}
	n.signs = signs
	return true
}

// logsIn reports whether logins come with what they came with, as far as a session of before can tell.
func (n *knowledge) logsIn(signs *classify.Signs, login *classify.Login) bool {
	return n != nil && n.login.Text == login.Text && n.inventory.Signs().Rights == signs.Rights
}

// putBack has the catalogs in use again that were put aside, if nothing has changed meanwhile.
func (k *Keeper) putBack() {
	for _, a := range k.aside {
		a.lens.Classifier.SetCatalog(a.catalog, a.generation)
	}
	k.aside = nil
}

// letGo takes the lens its catalog, which is that of before a change: if the look ends before it gets its new one, it must have none.
func (p *pending) letGo() {
	if catalog, generation := p.Classifier.Suspend(); catalog != nil && generation == p.generation+1 {
		p.generation = generation
	}
}

// renew notes what was loaded, and gives the lenses that were in use when the look began their catalogs by it. If anything has changed that the
// proxy may not have seen, the answers that may be others now are given up; and if a login comes with other settings than before (ALTER
// ROLE or ALTER DATABASE), the connections in the pool are replaced.
//
// Invariant: when it returns no lens has the catalog of another inventory than is noted, and no answer is served that was kept under another
// and may be another one now.
func (k *Keeper) renew(now *knowledge, all []pending) error {
	before := k.known
	k.aside = nil
	change := classify.Difference{Everything: true, Rights: true}
	if before != nil && before.login.Text == now.login.Text {
		change = now.inventory.DifferenceFrom(before.inventory)
	}
	now.version, now.rights = 1, map[string]*classify.Rights{}
	if before != nil {
		now.version = before.version + 1
		if !change.Rights {
			now.rights = before.rights
		}
	}
	k.known = now
	if change.Everything {
		k.dropAll(before, all)
		k.identity.LearnLogin(now.login)
		return k.fit(all, nil)
	}
	var write *querycache.Write
	if k.identity.Cache != nil && !change.None() {
		write = k.identity.Cache.BeginWrite(change.Written())
	}
	err := k.fit(all, &change) // while nothing is kept or served that may be another answer now
	if err != nil {
		for i := range all {
			all[i].letGo()
		}
	}
	write.End()
	return err
}

// dropAll has nothing be left of what was known before.
func (k *Keeper) dropAll(before *knowledge, all []pending) {
	for i := range all {
		all[i].letGo()
	}
	if before != nil && before.login.Text != k.known.login.Text { // before the purge: connections of now fill nothing any more
		k.identity.BeginEra(k.conn.Params)
		k.given.Pool.Reconnect()
	}
	if before != nil && k.identity.Cache != nil {
		k.identity.Cache.Purge()
	}
}

// fit gives lenses their catalogs. Where no relation has changed, only those that have none, or one that is doubted, are given one; nil stands for anything
// having changed. A lens that cannot have one does not keep the others from theirs.
func (k *Keeper) fit(all []pending, change *classify.Difference) error {
	for _, l := range all {
		if change != nil && change.None() && !l.Classifier.Doubted() && (l.Classifier.Catalog() != nil || k.troubles[l.Lens].bars(k.known.version)) {
			continue
		}
		catalog, err := k.see(l.Lens)
		var refusal *upstream.ServerError
		switch {
		case err == nil:
			l.SetIsolation(k.known.login.Isolation)
			if change == nil || l.Classifier.Catalog() == nil {
				l.Classifier.SetCatalog(catalog, l.generation)
			} else {
				l.Classifier.RenewCatalog(catalog, l.generation, *change)
			}
			delete(k.troubles, l.Lens)
		case errors.Is(err, errBlind), l.Lens != k.identity.Usual && errors.As(err, &refusal):
			l.Classifier.Stale()
			k.trouble(l.Lens).again(k.known.version, errors.Is(err, errBlind), time.Now())
			k.log.Debug("catalog could not be read", "db", k.identity.Database, "search_path", l.Path, "role", l.Role, "error", err)
		default:
			return err
		}
	}
	return nil
}

// errBlind says that a lens has no catalog: it holds until something changes in the database.
var errBlind = errors.New("the role cannot be taken on, or the search_path is not understood")

// see returns the catalog as the sessions of a lens see it.
func (k *Keeper) see(l *session.Lens) (*classify.Catalog, error) {
	rights, asked := k.known.rights[l.Role]
	if !asked {
		rows, err := k.query(classify.RightsQuery(l.Role))
		if err != nil {
			return nil, err
		}
		if rights, err = classify.ReadRights(rows); err != nil {
			return nil, fmt.Errorf("read catalog: %w", err)
		}
		if len(k.known.rights) > 2*session.MaxLenses { // of roles that are used no more
			clear(k.known.rights)
		}
		k.known.rights[l.Role] = rights
	}
	if rights == nil {
		return nil, errBlind
	}
	path := l.Path
	if path == "" {
		path = k.known.login.SearchPath
	}
	catalog, ok := k.known.inventory.Seen(path, rights)
	if !ok {
		return nil, errBlind
	}
	return catalog, nil
}

// ask returns what shows whether the catalog has changed, and what a login comes with. It begins the transaction that conclude ends. A session
// takes over what a reload of the server's configuration brings; what ALTER ROLE and ALTER DATABASE set is in the signs, too.
func (k *Keeper) ask(ctx context.Context) (signs *classify.Signs, login *classify.Login, err error) {
	defer k.bound(ctx)()
	if err := k.settleGhosts(); err != nil { // first: what they have done is in the signs
		return nil, nil, err
	}
	if _, err := k.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, nil, err
	}
	if signs, err = classify.AskSigns(k.query, k.looked, k.trusted...); err != nil {
		return nil, nil, err
	}
	rows, err := k.query(classify.LoginQuery())
	if err != nil {
		return nil, nil, err
	}
	if login, err = classify.ReadLogin(rows); err != nil {
		return nil, nil, fmt.Errorf("read catalog: %w", err)
	}
	return signs, login, nil
}

// askAnew is ask over another connection.
func (k *Keeper) askAnew(ctx context.Context) (signs *classify.Signs, login *classify.Login, err error) {
	k.disconnect()
	if err := k.connect(ctx); err != nil {
		return nil, nil, err
	}
	return k.ask(ctx)
}

// inventory returns the inventory of the database at the moment of the signs, which another keeper of it may have loaded. What has not
// changed since the last one that anybody has loaded is taken from that.
func (k *Keeper) inventory(signs *classify.Signs) (*classify.Inventory, error) {
	latest := k.given.Shelf.latest()
	if latest == nil && k.known != nil {
		latest = k.known.inventory
	}
	if latest != nil && latest.Shows(signs) {
		return latest, nil
	}
	began := time.Now()
	inventory, err := classify.LoadInventory(k.query, latest, signs, k.trusted...)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	k.given.Shelf.loads.Observe(time.Since(began))
	k.given.Shelf.put(inventory)
	return inventory, nil
}
