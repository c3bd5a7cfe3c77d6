package postgres

import (
	"context"
	"slices"
	"strings"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// Purge drops what it is told to of the database's cache, and returns what that was. When it returns, no answer begun before
// is served any more. Databases of the same upstream share what is dropped.
func (p *Proxy) Purge(ctx context.Context, database string, what proxy.Purge) (purged []string, err error) {
	db, err := p.databaseNamed(database)
	if err != nil {
		return nil, err
	}
	if db.Cache == nil || !db.Cache.Enabled || p.cache == nil {
		return nil, controlError(codeNotInState, "the cache is off for database %q", database)
	}
	origins := p.originsOf(db)
	if what.Table != "" {
		return p.purgeTable(ctx, db, origins, what.Schema, what.Table)
	}
	if len(origins) == 0 {
		return []string{what.String()}, nil // nobody has been here, so nothing is kept
	}
	cache := origins[0].Cache // which they share
	switch {
	case what.All:
		cache.Purge()
	case what.Tag != "":
		cache.PurgeTag(what.Tag)
	case what.Query != 0:
		cache.PurgeQuery(what.Query)
	default:
		return nil, controlError(pgwire.CodeInvalidParameter, "nothing is named that could be purged")
	}
	return []string{what.String()}, nil
}

// purgeTable drops what depends on a table, or on all tables of the name where no schema is given.
func (p *Proxy) purgeTable(ctx context.Context, db *Database, origins []*origin, schema, table string) ([]string, error) {
	if len(origins) == 0 && db.Target.User != "" { // to learn whether there is such a table
		o, err := p.originOf(db, db.Target.User)
		if err != nil {
			return nil, controlError(pgwire.CodeInternal, "%v", err)
		}
		defer p.letGo(o)
		origins = []*origin{o}
	}
	catalogs, err := p.catalogsOf(ctx, origins)
	if err != nil {
		return nil, err
	}
	var purged []string
	for _, o := range catalogs {
		for _, id := range o.catalog.RelationIDs(schema, table) {
			name := o.catalog.RelationName(id)
			o.Cache.Invalidate(o.dependencies(id, strings.TrimSuffix(name, "."+table), table)...)
			if !slices.Contains(purged, "table "+name) {
				purged = append(purged, "table "+name)
			}
		}
	}
	if len(purged) == 0 {
		return nil, controlError(codeUndefinedTable, "table %q does not exist", strings.TrimPrefix(schema+"."+table, "."))
	}
	return purged, nil
}

// knowing is an origin with the catalog that it had a moment ago.
type knowing struct {
	*origin
	catalog *classify.Catalog
}

// catalogsOf returns the origins whose catalog is known; if there are none, that of the first is loaded.
func (p *Proxy) catalogsOf(ctx context.Context, origins []*origin) ([]knowing, error) {
	var list []knowing
	for _, o := range origins {
		if c := o.Usual.Classifier.Catalog(); c != nil {
			list = append(list, knowing{o, c})
		}
	}
	if len(list) > 0 || len(origins) == 0 {
		return list, nil
	}
	o := origins[0]
	if err := o.visit(ctx); err != nil {
		return nil, unreachable(o, err)
	}
	c := o.Usual.Classifier.Catalog()
	if c == nil {
		return nil, controlError(codeNotInState, "the catalog of database %q is changing, try again", o.Database)
	}
	return []knowing{{o, c}}, nil
}

// dependencies returns all that answers which read a relation depend on: the relation, and the partitions, children and
// tables of a view that a statement which reads all of it would.
func (k knowing) dependencies(id verdict.RelationID, schema, table string) []verdict.RelationID {
	quote := func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
	v := k.Usual.Classifier.Judge([]byte("TABLE " + quote(schema) + "." + quote(table)))
	return append(slices.Clone(v.Reads), id)
}
