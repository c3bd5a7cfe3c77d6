package classify

// outside is a column: whether there is code that may reach the database by a connection of its own, where it commits for itself: foreign
// tables, languages that are not trusted, and functions in C that are VOLATILE, as those of dblink, unless their library is known to make no
// connections.
const outside = `EXISTS (SELECT FROM pg_catalog.pg_class WHERE relkind = 'f')
    OR EXISTS (SELECT FROM pg_catalog.pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c'))
    OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                WHERE p.oid >= ` + firstUserOID + ` AND l.lanname IN ('c', 'internal') AND p.provolatile = 'v' AND coalesce(p.probin, '') <> ALL (` + insideLibraries + `))
`

// leadsBack are the foreign tables that may be of this very database, t: another session of it is asked for them, and what they name there may be a
// view that runs code. They are those of postgres_fdw whose server names this database, or none.
const leadsBack = `pg_catalog.pg_foreign_table t JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver
         JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw JOIN pg_catalog.pg_proc h ON h.oid = w.fdwhandler AND h.probin = '$libdir/postgres_fdw'
           AND NOT EXISTS (SELECT FROM pg_catalog.unnest(s.srvoptions) o WHERE o LIKE 'dbname=%' AND o <> 'dbname=' || pg_catalog.current_database())`

// harmlessLibrary is a condition on the function p: it is in C, and its library has nothing but functions that touch no table and leave
// nothing behind. Only a superuser can make a function in C, so the name of the library is proof.
const harmlessLibrary = `p.probin IN ('$libdir/uuid-ossp', '$libdir/pgcrypto', '$libdir/moddatetime')`

// insideLibraries are libraries that make no connections.
const insideLibraries = `'{$libdir/uuid-ossp,$libdir/pgcrypto,$libdir/moddatetime,$libdir/pg_stat_statements,$libdir/pg_trgm,$libdir/citext,$libdir/hstore,$libdir/ltree,` +
	`$libdir/btree_gin,$libdir/btree_gist,$libdir/intarray,$libdir/unaccent,$libdir/fuzzystrmatch,$libdir/cube,$libdir/earthdistance,$libdir/tablefunc,` +
	`$libdir/pgstattuple,$libdir/pg_buffercache,$libdir/pg_prewarm,$libdir/tcn,$libdir/insert_username,$libdir/autoinc,$libdir/lo,$libdir/vector}'::text[]`
