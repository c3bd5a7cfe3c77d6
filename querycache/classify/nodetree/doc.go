// Package nodetree reads PostgreSQL's own trees of queries and expressions, as the server writes them to text: the
// definitions of views (pg_rewrite.ev_action), policies (pg_policy.polqual) and generated columns (pg_attrdef.adbin), and
// what debug_print_rewritten logs of a statement.
//
//	({QUERY :commandType 1 … :rtable ({RANGETBLENTRY … :rtekind 0 :relid 16384 …}) …})
//
// In such a tree all names are resolved: relations, functions after overloading, operators and types are OIDs. Read
// collects them as Facts; whether they are harmless the caller knows. It knows the formats of PostgreSQL 13 to 18.
//
// The format is no stable interface. Everything is on a list of what is understood: a node, a field or a value that is
// not is told by Facts.Refused, and so is a field that should be there and is not. A text that is no tree at all is an
// error. Nothing panics, recursion and size are bounded.
package nodetree
