package catalog

import (
	"errors"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

// settleGhosts asks for the ghosts, if there are any. That the server does not tell holds up nothing else.
func (k *Keeper) settleGhosts() error {
	asked := k.identity.Ghosts.List()
	if len(asked) == 0 {
		return nil
	}
	at := time.Now()
	rows, err := k.query(session.GhostQuery(asked))
	var refusal *upstream.ServerError
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	seen := session.ReadBackends(rows, k.conn.PID)
	if err != nil || seen == nil {
		k.log.Debug("the server does not tell what became of writes whose connection was lost", "db", k.identity.Database,
			"user", k.identity.User, "error", err)
		asked = nil // nobody is known to be gone
	}
	k.identity.SettleGhosts(asked, at, seen)
	return nil
}
