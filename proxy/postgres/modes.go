package postgres

import "overdrive/proxy/postgres/session"

// PoolMode says for how long a client keeps the server connection that it was given.
type PoolMode = session.PoolMode

// The three modes, by PgBouncer's names.
const (
	TransactionPooling = session.TransactionPooling
	SessionPooling     = session.SessionPooling
	StatementPooling   = session.StatementPooling
)
