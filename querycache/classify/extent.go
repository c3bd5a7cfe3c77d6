package classify

import "strings"

// Extent says how much of a catalog is the user's own: tables, materialized views and foreign tables, with partitions, and views.
func (c *Inventory) Extent() (tables, views int) {
	for _, r := range c.byID {
		switch {
		case r.schema == systemSchema || r.schema == "information_schema" || strings.HasPrefix(r.schema, "pg_"):
		case r.kind == 'v':
			views++
		case strings.IndexByte("rpmf", r.kind) >= 0:
			tables++
		}
	}
	return tables, views
}

// Obstacle says why no statement at all could be cached, or is empty.
func (c *Inventory) Obstacle() string {
	switch {
	case c.opclass != "":
		return "the database has an operator class \"" + c.opclass + "\" with functions that are not in C"
	case c.cast != "":
		return "the database has a user-defined implicit cast " + c.cast
	}
	return ""
}
