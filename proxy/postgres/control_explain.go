package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// Explain says what the cache would do with a statement that a client without settings of its own sent outside of a
// transaction, on the database and as user; whether he may log in there is for the caller to know. With verify the server is
// asked what it makes of the statement, which it does not run.
//
// Where the catalog is not known yet it is loaded, so this may take as long as the server does.
func (p *Proxy) Explain(ctx context.Context, database, user, sql string, verify bool) (proxy.Explanation, error) {
	db, err := p.databaseNamed(database)
	if err != nil {
		return proxy.Explanation{}, err
	}
	if verify && !db.admits(user) {
		return proxy.Explanation{}, controlError(pgwire.CodeInsufficientRights, "user %q may not log in to database %q, whose server would have to parse the statement",
			user, database)
	}
	o, err := p.originOf(db, user)
	if err != nil {
		return proxy.Explanation{}, controlError(pgwire.CodeInternal, "%v", err)
	}
	defer p.letGo(o)
	e := proxy.Explanation{Database: database, User: o.User}
	if o.Cache == nil {
		e.Status, e.Reason = string(querycache.Disabled), "the cache is off for this database"
		return e, nil
	}
	if err := o.visit(ctx); err != nil {
		return proxy.Explanation{}, unreachable(o, err)
	}
	catalog, v := o.Usual.Classifier.Catalog(), o.Usual.Classifier.Judge([]byte(sql))
	judged(&e, v, catalog)
	keyed(&e, o, v)
	p.policed(&e, o, user, sql, v)
	if verify && catalog != nil {
		if e.Oracle, err = o.consult(ctx, sql, v, catalog); err != nil {
			return proxy.Explanation{}, err
		}
	}
	return e, nil
}

func unreachable(o *origin, err error) error {
	return controlError(pgwire.CodeCannotConnect, "database %q, server user %q: %v", o.Database, o.User, err)
}

// judged takes over what the verdict says. The catalog gives tables their names; it may be nil.
func judged(e *proxy.Explanation, v *classify.Verdict, catalog *classify.Catalog) {
	e.Status, e.Reason, e.Tables = string(v.Status), v.Reason, v.Tables
	switch {
	case v.Effect == verdict.EffectEverything:
		e.Writes = []string{"everything"}
	case v.Effect == verdict.EffectRelations && catalog != nil:
		e.Writes = namesOf(catalog, v.Writes)
	}
}

func namesOf(catalog *classify.Catalog, relations []verdict.RelationID) []string {
	var names []string
	for _, id := range relations {
		names = append(names, catalog.RelationName(id))
	}
	slices.Sort(names)
	return names
}

// keyed tells which settings the key of an answer holds.
func keyed(e *proxy.Explanation, o *origin, v *classify.Verdict) {
	for _, it := range o.Base().Items() {
		e.Settings = append(e.Settings, proxy.NameValue{Name: it.Name, Value: it.Value})
	}
	e.Needs = v.Needs
}

// policed tells what the database's policy, its rules and the statement's own hint make of the verdict, and what became of
// statements of the shape so far.
func (p *Proxy) policed(e *proxy.Explanation, o *origin, user, sql string, v *classify.Verdict) {
	request := querycache.Request{Verdict: &v.Statement, Text: []byte(sql), User: user, Hint: session.HintOf([]byte(sql))}
	found := o.Cache.Inspect(&request)
	e.DryRun, e.MaxAge, e.StaleWhileRevalidate, e.Tags = found.DryRun, found.MaxAge, found.StaleWhileRevalidate, found.Tags
	if found.Rule >= 0 {
		e.Rule, e.RuleText = found.Rule+1, conditions(&o.db().Cache.Rules[found.Rule])
	}
	if request.Hint != nil {
		e.Ignored = request.Hint.Unknown
	}
	if reason := hindrance(&found); v.Status == verdict.Cacheable && reason != "" {
		e.Status, e.Reason = string(found.Status), reason
	}
	e.Query = &proxy.QueryStatus{Fingerprint: v.Fingerprint, Shape: v.Shape}
	for _, q := range p.Queries(o.Database) {
		if q.Fingerprint == v.Fingerprint {
			e.Query = &q
		}
	}
}

// hindrance says why a statement that could be kept would not be, or "" if it would.
func hindrance(found *querycache.Inspection) string {
	switch found.Status {
	case querycache.Hinted:
		return "the statement's own hint says so"
	case querycache.Disabled:
		if found.Enabled {
			return "its max_age is 0"
		}
		return "the configuration turns the cache off for it"
	case verdict.Unsettled:
		return "a table that it reads is being written"
	}
	return ""
}

// conditions writes what a rule asks of a statement.
func conditions(r *querycache.Rule) string {
	var list []string
	add := func(name string, values []string) {
		if len(values) > 0 {
			list = append(list, name+" "+strings.Join(values, ", "))
		}
	}
	add("tables", r.Tables)
	if r.Match != nil {
		list = append(list, fmt.Sprintf("match %q", r.Match))
	}
	var prints []string
	for _, f := range r.Fingerprints {
		prints = append(prints, fmt.Sprintf("%016x", f))
	}
	add("fingerprints", prints)
	add("users", r.Users)
	if len(list) == 0 {
		return "every statement"
	}
	return strings.Join(list, "; ")
}

// consult compares the verdict with one on the server's own tree of the statement.
func (o *origin) consult(ctx context.Context, sql string, v *classify.Verdict, catalog *classify.Catalog) (*proxy.OracleAnswer, error) {
	if o.pool.Stats().Paused {
		return nil, unreachable(o, errPaused)
	}
	var tree string
	var refusal *pgwire.ErrorReport
	err := o.keeper.Lend(ctx, func(up *upstream.Conn) (err error) {
		tree, refusal, err = rewritten(up, sql)
		return err
	})
	switch {
	case err != nil:
		return nil, unreachable(o, err)
	case refusal != nil: // no answer, so nothing that could be kept
		return &proxy.OracleAnswer{Agrees: true, Status: "error", Reason: refusal.Message}, nil
	}
	status, reason, reads := catalog.Oracle(tree)
	return &proxy.OracleAnswer{
		Agrees: v.Status != verdict.Cacheable || status == verdict.Cacheable && includes(v.Reads, reads),
		Status: string(status), Reason: reason, Reads: namesOf(catalog, reads),
	}, nil
}

func includes(all, some []verdict.RelationID) bool {
	for _, id := range some {
		if !slices.Contains(all, id) {
			return false
		}
	}
	return true
}
