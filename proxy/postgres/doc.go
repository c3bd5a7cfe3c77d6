// Package postgres is the PostgreSQL side of overdrive/proxy: clients are let in (admit.go), become sessions (client.go) that drive the
// machine of overdrive/proxy/postgres/session with a socket, and are given server connections of a pool (pooledconn.go). An origin is
// one server user of one database (origin.go, origins.go, identities.go); its keeper, of overdrive/proxy/postgres/catalog, knows the
// catalog. Operators look at all of it, and act on it, by what is in control*.go.
//
//	accept ──▶ admission ──▶ client ═ Session ◀──▶ ServerConn ═ pooledConn ◀── login ◀── pool
//	                            └────────── on the loop of a worker ───────┘
//
// ═ means: embeds, and drives. Whoever is not on that loop reaches either through its address.
//
// The files stand on floors. A call goes to the right on its floor, or to a floor below; a test holds it.
//
//	clients   admit.go control_pause.go reconfigure.go client.go
//	control   control_advice.go control_advice_cache.go control_advice_index.go control_adviser.go control_advice_plan.go
//	          control_purge.go control_explain.go control_renew.go control_servers.go ahead.go
//	origins   proxy.go identities.go control_verify.go origins.go stops.go origin.go control_cache.go control_traffic.go admitsettings.go shutdown.go
//	leaves    survey.go pooledconn.go servers.go place.go cancel.go log.go control_show.go control.go database.go upstreams.go listening.go ownconn.go given.go errors.go refusals.go accounts.go
//	          modes.go
package postgres
