package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// Bounds of advice.
const (
	maxAdvised = 50               // shapes, those that cost servers most
	minCalls   = 10               // of a shape that is looked at
	planLimit  = 10 * time.Second // for all that a server is asked
)

// Advise says what would make the statements cheaper that cost the servers of a database most, those that cost most first. User is who
// asks; whether he may is for the caller to know. Nothing that clients have sent is run: a server is asked for plans alone, by a
// connection that can write nothing and has the rights of the pool's own login.
func (p *Proxy) Advise(ctx context.Context, database, user string) ([]proxy.Advice, error) {
	db, err := p.databaseNamed(database)
	if err != nil {
		return nil, err
	}
	cache := p.cacheOf(db)
	if cache == nil {
		return nil, nil // nothing is counted where there is no cache
	}
	if !db.admits(user) {
		user = db.Target.User
	}
	o, err := p.originOf(db, user)
	if err != nil {
		return nil, controlError(pgwire.CodeInternal, "%v", err)
	}
	defer p.letGo(o)
	a := &adviser{database: db, origin: o, user: user}
	p.mu.Lock()
	seen := o.upstream.tallies.All()
	p.mu.Unlock()
	a.choose(cache.Queries(seen))
	ctx, stop := context.WithTimeout(ctx, planLimit)
	defer stop()
	away := o.visit(ctx)
	for i := range a.shapes {
		a.advise(&a.shapes[i])
	}
	if away == nil {
		away = a.plans(ctx)
	}
	if away != nil {
		a.list = append(a.list, proxy.Advice{Database: database, Kind: proxy.AdviceIndex,
			Text: fmt.Sprintf("Not all was looked at, since the server could not be asked: %v.", away)})
	}
	slices.SortStableFunc(a.list, func(x, y proxy.Advice) int { return cmp.Compare(y.Share, x.Share) })
	return a.list, nil
}

// advise looks at what was counted of a shape.
func (a *adviser) advise(q *costly) {
	q.verdict = a.judge(q.Shape)
	a.add(q, proxy.AdviceCache, a.cacheAdvice(q))
	a.add(q, proxy.AdviceLoop, a.loopAdvice(q))
}

// loopAdvice is about statements that are asked one by one.
func (a *adviser) loopAdvice(q *costly) string {
	const fewest = 20
	if q.Repeats < fewest || 2*q.Repeats < q.Calls-q.Hits {
		return ""
	}
	often := fmt.Sprintf("In %d of %d calls a session sent it right behind another with other values", q.Repeats, q.Calls)
	switch first := classify.FirstWord(q.Shape); {
	case first == "insert":
		return often + ": send one INSERT with many rows behind VALUES, or COPY."
	case first == "update":
		return often + ": send one UPDATE … FROM (VALUES …) AS v, joined by the key."
	case first == "delete":
		return often + ": send one DELETE … WHERE key = ANY ($1)."
	case first != "select" || q.verdict.Status != verdict.Cacheable:
		return "" // one that locks rows or calls code may be meant to come one by one
	}
	if batched, column, ok := classify.Batched(q.Shape); ok && a.judge(batched.Text).Status == verdict.Cacheable {
		return fmt.Sprintf("%s: ask once for all by %s, with %s among the columns, or by a join.", often, shown(batched.Text), column)
	}
	return often + ": ask once for all, by a join or by = ANY ($1)."
}
