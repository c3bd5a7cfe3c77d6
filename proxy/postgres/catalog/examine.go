package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// This file is what a Keeper asks the server.

// pending is a lens with the generation that its classifier had when a look began: what is found out then holds for it unless the
// generation has changed.
type pending struct {
	*session.Lens
	generation uint64
}

// examine asks for the fingerprint of the catalog and loads what is missing or has changed. The generations are noted before the
// first question: what changes while it is asked makes it be asked again.
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
	fingerprint, login, err := k.ask(ctx)
	if err != nil && !fresh { // the connection broke since the last look
		fresh = true
		fingerprint, login, err = k.askAnew(ctx)
	}
	if err != nil {
		return err
	}
	if k.known.fits(fingerprint, login) {
		defer k.bound(ctx)()
		k.putBack()
		k.trust.confirm(began)
		return k.fit(all, false)
	}
	k.trust.doubted = true
	if !fresh { // what a login comes with may have changed, too, and an older session does not show it
		if fingerprint, login, err = k.askAnew(ctx); err != nil {
			return err
		}
	}
	defer k.bound(ctx)()
	inventory, fingerprint, err := k.inventory(fingerprint)
	if err != nil {
		return err
	}
	k.renew(&knowledge{fingerprint, login, inventory, map[string]*classify.Rights{}}, all)
	k.trust.confirm(began)
	return k.fit(all, true)
}

// fits reports whether what was loaded is still what there is.
func (n *knowledge) fits(fingerprint string, login *classify.Login) bool {
	return n != nil && n.fingerprint == fingerprint && n.login.Text == login.Text
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

// renew notes what was loaded, for the lenses that were in use when the look began. If anything has changed that the proxy may not
// have seen, every answer is given up; and if a login comes with other settings than before (ALTER ROLE or ALTER DATABASE), the connections in the pool are replaced.
//
// Invariant: no lens has the catalog of another fingerprint than is noted, and no answer is served that was kept under another.
func (k *Keeper) renew(now *knowledge, all []pending) {
	before := k.known
	k.aside = nil
	for i := range all {
		all[i].letGo()
	}
	if before != nil && before.login.Text != now.login.Text { // before the purge: connections of now fill nothing any more
		k.identity.BeginEra(k.conn.Params)
		k.given.Pool.Reconnect()
	}
	if before != nil && k.identity.Cache != nil {
		k.identity.Cache.Purge()
	}
	k.known = now
	k.identity.LearnLogin(now.login)
}

// fit gives lenses their catalogs: those that have none, or all. A lens that cannot have one does not keep the others from theirs.
func (k *Keeper) fit(all []pending, anew bool) error {
	for _, l := range all {
		if !anew && (l.Classifier.Catalog() != nil || k.troubles[l.Lens].bars(k.known.fingerprint)) {
			continue
		}
		catalog, err := k.see(l.Lens)
		var refusal *upstream.ServerError
		switch {
		case err == nil:
			l.SetIsolation(k.known.login.Isolation)
			l.Classifier.SetCatalog(catalog, l.generation)
			delete(k.troubles, l.Lens)
		case errors.Is(err, errBlind), l.Lens != k.identity.Usual && errors.As(err, &refusal):
			l.Classifier.Stale()
			k.trouble(l.Lens).again(k.known.fingerprint, errors.Is(err, errBlind), time.Now())
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

// ask returns the fingerprint of the catalog, and what a login comes with. A session takes over what a reload of the server's
// configuration brings; what ALTER ROLE and ALTER DATABASE set is in the fingerprint, too.
func (k *Keeper) ask(ctx context.Context) (fingerprint string, login *classify.Login, err error) {
	defer k.bound(ctx)()
	if err := k.settleGhosts(); err != nil { // first: what they have done is in the fingerprint
		return "", nil, err
	}
	if fingerprint, err = k.fingerprint(); err != nil {
		return "", nil, err
	}
	rows, err := k.query(classify.LoginQuery())
	if err != nil {
		return "", nil, err
	}
	if login, err = classify.ReadLogin(rows); err != nil {
		return "", nil, fmt.Errorf("read catalog: %w", err)
	}
	return fingerprint, login, nil
}

// askAnew is ask over another connection.
func (k *Keeper) askAnew(ctx context.Context) (fingerprint string, login *classify.Login, err error) {
	k.disconnect()
	if err := k.connect(ctx); err != nil {
		return "", nil, err
	}
	return k.ask(ctx)
}

// inventory returns the inventory of the database, which another keeper of it may have loaded, with its fingerprint. That is not the
// one given where the catalog has changed since.
func (k *Keeper) inventory(fingerprint string) (inventory *classify.Inventory, itsFingerprint string, err error) {
	if inventory, ok := k.given.Shelf.find(fingerprint); ok {
		return inventory, fingerprint, nil
	}
	began := time.Now()
	if inventory, itsFingerprint, err = k.load(); err != nil {
		return nil, "", err
	}
	k.given.Shelf.loads.Observe(time.Since(began))
	k.given.Shelf.put(itsFingerprint, inventory)
	return inventory, itsFingerprint, nil
}

// fingerprint asks for that of the catalog. What the configuration says of the database's functions is part of it.
func (k *Keeper) fingerprint() (string, error) {
	text, err := k.value(classify.FingerprintQuery())
	return strings.Join(append([]string{text}, k.trusted...), "\n"), err
}

// load reads the inventory of the database, and the fingerprint of the same moment.
func (k *Keeper) load() (inventory *classify.Inventory, fingerprint string, err error) {
	if _, err := k.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, "", err
	}
	defer k.conn.Query("ROLLBACK") //nolint:errcheck // the next query would fail too
	if fingerprint, err = k.fingerprint(); err != nil {
		return nil, "", err
	}
	results, err := classify.AskCatalog(k.query, k.trusted...)
	if err != nil {
		return nil, "", err
	}
	if inventory, err = classify.NewInventory(results); err != nil {
		return nil, "", fmt.Errorf("read catalog: %w", err)
	}
	return inventory, fingerprint, nil
}
