package metrics

import "github.com/prometheus/client_golang/prometheus"

// A family is one metric with its labels.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType // of what is no histogram
}

// families are all there are, in no order.
var families []*family

func newFamily(kind prometheus.ValueType, name, help string, labels []string) *family {
	f := &family{prometheus.NewDesc("overdrive_"+name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

func gauge(name, help string, labels ...string) *family {
	return newFamily(prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *family {
	return newFamily(prometheus.CounterValue, name, help, labels)
}

func distribution(name, help string, labels ...string) *family {
	return newFamily(prometheus.UntypedValue, name, help, labels)
}

// Pools, by database and server user.
var (
	poolServers      = gauge("pool_servers", "Server connections, by what they do.", database, user, "state")
	poolSize         = gauge("pool_size", "Most server connections that there may be.", database, user)
	poolClients      = gauge("pool_clients", "Clients that are logged in.", database, user)
	poolWaiting      = gauge("pool_clients_waiting", "Clients that wait for a server connection.", database, user)
	poolPinned       = gauge("pool_clients_pinned", "Clients that cannot leave their server connections.", database, user)
	poolOldestWait   = gauge("pool_oldest_wait_seconds", "How long the client has waited that has waited longest.", database, user)
	poolAcquires     = counter("pool_acquires_total", "Server connections asked for.", database, user)
	poolWaits        = counter("pool_waits_total", "Server connections that were not to be had at once.", database, user)
	poolFailedWaits  = counter("pool_failed_waits_total", "Waits that ended without a server connection, by reason.", database, user, reason)
	poolWaitDuration = distribution("pool_wait_duration_seconds", "How long clients waited for a server connection, if it was not there at once.",
		database)
	poolLogins       = counter("pool_logins_total", "Logins at the server that were begun.", database, user)
	poolFailedLogins = counter("pool_failed_logins_total", "Logins at the server that failed.", database, user)
	poolCloses       = counter("pool_closed_servers_total", "Server connections that were closed, by reason.", database, reason)
)

// Clients and what passes.
var (
	logins         = counter("logins_total", "Clients that were let in.", database, user)
	refusedLogins  = counter("refused_logins_total", "Clients that were not let in, by reason.", reason)
	endedClients   = counter("ended_clients_total", "Connections of clients that have ended, by reason.", database, reason)
	statements     = counter("statements_total", "Statements of clients, by what the cache made of them.", database, "cache_status")
	transactions   = counter("transactions_total", "Transactions of clients that have ended.", database, user)
	transactionSum = counter("transaction_seconds_total", "Time for which servers had a transaction to do or to wait for.", database, user)
	clientReceived = counter("client_received_bytes_total", "Bytes from clients.", database, user)
	clientSent     = counter("client_sent_bytes_total", "Bytes to clients.", database, user)
	serverReceived = counter("server_received_bytes_total", "Bytes from servers.", database, user)
	serverSent     = counter("server_sent_bytes_total", "Bytes to servers.", database, user)
	upstreamTime   = distribution("upstream_duration_seconds", "From the first byte of a batch to the server to its ReadyForQuery.", database)
	clientTime     = distribution("client_duration_seconds", "From a batch of a client to the end of its answer, by who has answered.",
		database, "answered_by")
	sqlErrors = counter("errors_total", "Errors that clients were told, by who raised them and the class of the SQLSTATE.",
		database, "source", "sqlstate_class")
	pins = counter("pins_total", "Sessions that began to have a reason to keep their server connections, by reason.", database, reason)
)

// The cache. Databases of one upstream share a cache, and its numbers.
var (
	cacheEntries       = gauge("cache_entries", "Answers that are kept.", database)
	cacheBytes         = gauge("cache_bytes", "Memory that they take.", database)
	cacheEvictions     = counter("cache_evictions_total", "Answers that were dropped for want of memory.", database)
	cacheInvalidations = counter("cache_invalidations_total", "Writes that have ended, and answers found invalidated.", database)
	cacheRaces         = counter("cache_races_lost_total", "Answers that were not kept because a write came between.", database)
	cacheOversize      = counter("cache_oversize_total", "Answers that were not kept because of their size.", database)
	cacheRefreshes     = counter("cache_refreshes_total", "Queries that were begun to refresh an answer that aged.", database)
	cacheWouldHit      = counter("cache_dry_run_hits_total", "Misses that only a dry run kept from being hits.", database)
)

// The catalog. Databases of one upstream share its numbers.
var (
	catalogLooks    = distribution("catalog_look_duration_seconds", "Looks whether the catalog has changed.", database)
	catalogLoads    = distribution("catalog_load_duration_seconds", "Loads of the catalog.", database)
	catalogFailures = counter("catalog_failed_looks_total", "Looks at the catalog that came to nothing.", database)
)

// The event loops and the program.
var (
	loopClients     = gauge("loop_clients", "Clients that live on the event loop.", "loop")
	loopTurns       = distribution("loop_turn_duration_seconds", "How long the turns of the event loop took. What came meanwhile has waited.", "loop")
	buildInfo       = gauge("build_info", "1, for the version that runs.", "version", "goversion")
	droppedLines    = counter("log_dropped_lines_total", "Lines of the log that could not be written in time.")
	reloads         = counter("config_reloads_total", "Reloads of the configuration, by outcome.", "outcome")
	reloadSuccess   = gauge("config_last_reload_successful", "1 if the last reload of the configuration succeeded, or there was none; else 0.")
	reloadTimestamp = gauge("config_last_reload_success_timestamp_seconds", "When the configuration that counts was read.")
)

// Labels that are used everywhere.
const (
	database = "database"
	user     = "user"
	reason   = "reason"
)
