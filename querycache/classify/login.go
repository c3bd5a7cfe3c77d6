package classify

import (
	"fmt"
	"strconv"
)

// This file holds the questions about logins and roles that go with the catalog.

// SessionSettings is SQL for a session that asks the questions of this package: from there on names in it mean PostgreSQL's own
// objects, whatever the role's or the database's defaults are, and nothing can be written. It is made of statements that look
// up no name themselves.
//
// To compile a question about a large catalog takes the server many times as long as to answer it, so jit is off.
const SessionSettings = "SET search_path = pg_catalog, pg_temp; SET jit = off;" + PlainSettings

// PlainSettings are the SessionSettings but for the search_path, and for what only makes them faster.
const PlainSettings = " SET default_transaction_read_only = on; SET default_transaction_isolation = 'read committed';" +
	" SET default_transaction_deferrable = off; SET statement_timeout = '15s'; SET lock_timeout = '5s';" +
	" SET idle_in_transaction_session_timeout = '60s'; SET row_security = on; SET standard_conforming_strings = on;" +
	" SET client_encoding = 'UTF8'; SET client_min_messages = warning; SET transform_null_equals = off;" +
	" SET quote_all_identifiers = off; SET DateStyle = 'ISO'; SET extra_float_digits = 1"

// Login is what new sessions of a server user begin with.
type Login struct {
	Text       string // changes if anything does that may change an answer
	SearchPath string
	Role       string // "none", or what ALTER ROLE … SET role says
	Isolation  string // default_transaction_isolation
	Timeout    int64  // statement_timeout in milliseconds; 0: none

	IdleInTransaction int64 // idle_in_transaction_session_timeout in milliseconds; 0: none
}

// LoginQuery returns a query for what ReadLogin takes. It says what the session began with, and what a reload of the server's
// configuration has brought since, not what was set in it. Its first column holds the values of all parameters which may change
// an answer, those included that the server does not report. If they change, ALTER ROLE, ALTER DATABASE or a reload of the
// server's configuration has changed what new sessions begin with: connections made before are not like those made now.
// Parameters of the user's own, which pg_settings does not show, are taken from what roles and databases set.
func LoginQuery() string {
	initial := func(name string) string {
		return "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = '" + name + "')"
	}
	return `
SELECT pg_catalog.concat_ws(E'\n', (
           SELECT pg_catalog.string_agg(name || '=' || reset_val, E'\n' ORDER BY name COLLATE "C") FROM pg_catalog.pg_settings
            WHERE category LIKE 'Client Connection Defaults%' OR category LIKE 'Version and Platform%'), (
           SELECT pg_catalog.string_agg(s.setconfig::text, E'\n' ORDER BY s.setdatabase, s.setrole) FROM pg_catalog.pg_db_role_setting s
            WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
              AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)))),
       ` + initial("search_path") + `, pg_catalog.current_setting('role'), ` + initial("default_transaction_isolation") + `,
       ` + initial("statement_timeout") + `, ` + initial("idle_in_transaction_session_timeout")
}

// ReadLogin takes the rows of LoginQuery.
func ReadLogin(rows [][]string) (*Login, error) {
	if len(rows) != 1 || len(rows[0]) != 6 {
		return nil, fmt.Errorf("login: got %d rows, want one of six values", len(rows))
	}
	row := rows[0]
	timeout, err := strconv.ParseInt(row[4], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("login: statement_timeout: %w", err)
	}
	idle, err := strconv.ParseInt(row[5], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("login: idle_in_transaction_session_timeout: %w", err)
	}
	return &Login{
		Text: row[0] + "\n" + row[2], SearchPath: row[1], Role: row[2], Isolation: row[3], Timeout: timeout, IdleInTransaction: idle,
	}, nil
}

// RightsQuery returns a query for what ReadRights takes: the rights of a role, or of the session's own where role is empty, or of
// its login where role is "none".
func RightsQuery(role string) string {
	whose := Literal(role)
	switch role {
	case "":
		whose = "current_user"
	case "none":
		whose = "session_user"
	}
	return `
WITH me AS MATERIALIZED (SELECT oid, rolname, rolsuper OR rolbypassrls AS free FROM pg_catalog.pg_roles WHERE rolname = ` + whose + `)
SELECT 'role', rolname::text, free, pg_catalog.pg_has_role(session_user, oid,
       CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) FROM me
UNION ALL
SELECT 'schema', n.nspname::text, NULL, NULL FROM me, pg_catalog.pg_namespace n WHERE pg_catalog.has_schema_privilege(me.oid, n.oid, 'USAGE')
UNION ALL
SELECT 'owner', o.relowner::text, NULL, NULL FROM me, (SELECT DISTINCT relowner FROM pg_catalog.pg_class WHERE relrowsecurity) o
 WHERE pg_catalog.pg_has_role(me.oid, o.relowner, 'USAGE')`
}

// ReadRights takes the rows of RightsQuery. It returns nil if there is no such role, or if the session may not take it on.
func ReadRights(rows [][]string) (*Rights, error) {
	r := &Rights{Usage: map[string]bool{}, Owners: map[uint32]bool{}}
	known := false
	for _, row := range rows {
		if len(row) != 4 {
			return nil, fmt.Errorf("rights: got %d columns, want 4", len(row))
		}
		switch row[0] {
		case "role":
			r.Role, r.Free, known = row[1], row[2] == "t", row[3] == "t"
		case "schema":
			r.Usage[row[1]] = true
		case "owner":
			oid, err := strconv.ParseUint(row[1], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("rights: OID of a role: %w", err)
			}
			r.Owners[uint32(oid)] = true
		}
	}
	if !known {
		return nil, nil
	}
	return r, nil
}
