package postgres

import (
	"context"
	"sync"
)

// LookAhead has the catalogs known of the databases whose server user is configured, so that the first read of a client can be kept. It
// returns when all are known, cannot be had, or ctx ends: what is missing then is looked at when the first client comes.
func (p *Proxy) LookAhead(ctx context.Context) {
	var looks sync.WaitGroup
	for _, db := range p.configured() {
		if db.Target.User == "" || db.Cache == nil || !db.Cache.Enabled {
			continue
		}
		o, err := p.originOf(db, db.Target.User)
		if err != nil {
			continue // the first client is told
		}
		looks.Go(func() {
			defer p.letGo(o)
			if err := o.visit(ctx); err != nil {
				p.server.Log().Info("the catalog is not known yet", "db", o.Database, "user", o.User, "error", err)
			}
		})
	}
	looks.Wait()
}
