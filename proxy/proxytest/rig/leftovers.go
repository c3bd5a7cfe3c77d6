package rig

import "strings"

// Leftovers asks a server for everything that a client may have left on it.
const Leftovers = `select pg_backend_pid(), current_setting('work_mem'), current_setting('my.own', true),
	(select count(*) from pg_class where relpersistence = 't' and relname not like 'pg_toast%' and relnamespace = pg_my_temp_schema()),
	(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
	(select count(*) from pg_prepared_statements where name not like '\_overdrive%'),
	(select count(*) from pg_listening_channels()),
	(select count(*) from pg_cursors)`

// Clean is what a server without leftovers answers. A parameter of an extension that was once set is empty, not NULL.
func Clean(server string) string { return server + ",4MB,,0,0,0,0,0" }

// IsClean says whether what a server answers to Leftovers tells of none. Which server that is does not matter: where the pool has one
// place only, the keeper of the catalog may take it between two statements.
func IsClean(got string) bool {
	server, _, _ := strings.Cut(got, ",")
	return got == Clean(server)
}
