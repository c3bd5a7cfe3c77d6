package classify

// outside is a column: whether there is code that may reach the database by a connection of its own, where it commits for itself: foreign
// tables, languages that are not trusted, and functions in C that are VOLATILE, as those of dblink, unless their library is a harmless one.
const outside = `EXISTS (SELECT FROM pg_catalog.pg_class WHERE relkind = 'f')
    OR EXISTS (SELECT FROM pg_catalog.pg_language WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c'))
    OR EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
                WHERE p.oid >= ` + firstUserOID + ` AND l.lanname IN ('c', 'internal') AND p.provolatile = 'v' AND NOT (` + harmlessLibrary + `))
`

// harmlessLibrary is a condition on the function p: it is in C, and its library has nothing but functions that touch no table and leave
// nothing behind. Only a superuser can make a function in C, so the name of the library is proof.
const harmlessLibrary = `p.probin IN ('$libdir/uuid-ossp', '$libdir/pgcrypto', '$libdir/moddatetime')`
