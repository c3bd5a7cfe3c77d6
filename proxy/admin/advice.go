package admin

import (
	"context"
	"math"
	"time"
)

// This file holds the command that says what would make statements cheaper.

var adviceColumns = columnsOf("database", "query", "kind", "%time", "statement", "advice")

// adviceLimit bounds what it may take: to load the catalog, where nobody was here before, and to ask for plans.
const adviceLimit = 30 * time.Second

func (c *conn) showAdvice(st *statement) ([][]any, error) {
	names, err := c.seen(st)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(c.ctx, adviceLimit)
	defer stop()
	var rows [][]any
	for _, name := range names {
		list, err := c.console.proxy.Advise(ctx, name, c.caller.user)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			query := any(nil)
			if a.Fingerprint != 0 {
				query = fingerprint(a.Fingerprint)
			}
			share := math.Round(a.Share*1e4) / 1e4
			rows = append(rows, []any{name, query, string(a.Kind), share, a.Shape, a.Text})
		}
	}
	return rows, nil
}
