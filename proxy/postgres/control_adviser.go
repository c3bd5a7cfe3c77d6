package postgres

import (
	"cmp"
	"slices"
	"time"

	"overdrive/proxy"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// An adviser looks for advice for one database.
type adviser struct {
	database *Database
	origin   *origin
	user     string // the client's, for rules
	total    time.Duration
	shapes   []costly
	list     []proxy.Advice
}

// costly is a shape that is looked at.
type costly struct {
	querycache.QueryStats
	verdict *classify.Verdict // on the shape, now
}

// choose takes up the shapes that cost most.
func (a *adviser) choose(all []querycache.QueryStats) {
	for i := range all {
		a.total += all[i].ServerTime
	}
	slices.SortFunc(all, func(x, y querycache.QueryStats) int {
		return cmp.Or(cmp.Compare(y.ServerTime, x.ServerTime), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	for _, q := range all {
		if q.Calls-q.Hits >= minCalls && len(a.shapes) < maxAdvised {
			a.shapes = append(a.shapes, costly{QueryStats: q})
		}
	}
}

// judge says what a text would be to a client without settings of its own.
func (a *adviser) judge(text string) *classify.Verdict {
	return a.origin.Usual.Classifier.Suppose([]byte(text))
}

// add takes down advice; an empty text is none.
func (a *adviser) add(q *costly, kind proxy.AdviceKind, text string) {
	if text == "" {
		return
	}
	advice := proxy.Advice{Database: a.database.Name, Fingerprint: q.Fingerprint, Kind: kind, Shape: displayed(&q.QueryStats), Text: text}
	if a.total > 0 {
		advice.Share = float64(q.ServerTime) / float64(a.total)
	}
	a.list = append(a.list, advice)
}

// shown is a statement of ours for people.
func shown(text string) string { return sqlscan.Display(text, true) }
