// Package proxy drives the machine of overdrive/proxy/postgres/session with sockets, and is everything around it: clients are let in
// (admit.go), become sessions on an event loop (server.go, spread.go), are given server connections of a pool (driveclient.go,
// pooledconn.go), and are told to go (shutdown.go). An origin is one server user of one database; its keeper knows the catalog
// (catalog.go).
//
//	accept ──▶ admission ──▶ client ═ Session ◀──▶ ServerConn ═ pooledConn ◀── login ◀── pool
//	                            └────────── on the loop of a worker ───────┘
//
// ═ means: embeds, and drives. Whoever is not on that loop reaches either through its address.
package proxy
