package classify

import (
	"strings"
)

// This file resolves names as PostgreSQL does for a role with a search_path. It does so without the server: a query that runs
// under a client's search_path would call whatever functions and operators the client has put there.

// Catalog is an Inventory as it is seen by one role with one search_path. It never changes.
type Catalog struct {
	*Inventory
	path   []string       // the schemas that are searched, in order
	place  map[string]int // the same by name
	rights *Rights

	anywhere bool // names mean what they mean in any schema, for code that may run with any search_path and as anybody
}

// Rights are what counts of a role for what it sees.
type Rights struct {
	Role   string          // its name, for "$user" in a search_path
	Free   bool            // a superuser, or one whom no policy holds for
	Usage  map[string]bool // names of the schemas that it may look into
	Owners map[uint32]bool // OIDs of the owners of tables with policies whose rights it has
}

// maxPath bounds the schemas of a search_path: each costs a look-up for each name.
const maxPath = 100

// Seen returns the Inventory as it is seen by a role with a search_path, which is spelled as the server shows it. ok is false
// if it cannot be told what the search_path means.
func (c *Inventory) Seen(searchPath string, rights *Rights) (seen *Catalog, ok bool) {
	names, ok := SplitPath(searchPath)
	if !ok {
		return nil, false
	}
	seen = &Catalog{Inventory: c, place: map[string]int{}, rights: rights}
	explicit := false
	for _, name := range names {
		explicit = explicit || name == systemSchema && rights.Usage[name]
	}
	if !explicit {
		seen.search(systemSchema) // which asks for no right
	}
	for _, name := range names {
		if name == "$user" {
			name = rights.Role
		}
		// Who has temporary objects is tied to his server and not answered from the cache, so that the schema is empty.
		if name != "pg_temp" && rights.Usage[name] {
			seen.search(name)
		}
	}
	return seen, true
}

const systemSchema = "pg_catalog"

func (c *Catalog) search(schema string) {
	if _, twice := c.place[schema]; !twice {
		c.place[schema] = len(c.path)
		c.path = append(c.path, schema)
	}
}

// SplitPath reads a search_path (SplitIdentifierString in the server's sources) into its names. ok is false if it cannot be told what it means.
func SplitPath(text string) (names []string, ok bool) {
	const space = " \t\n\r\f\v"
	for rest := strings.Trim(text, space); rest != ""; {
		var name string
		if rest[0] == '"' {
			name, rest, ok = quotedName(rest[1:])
		} else {
			name, rest, ok = plainName(rest)
		}
		if !ok || name == "" || len(name) > MaxName || len(names) == maxPath {
			return nil, false
		}
		names = append(names, name)
		rest = strings.TrimLeft(rest, space)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, false
		}
		if rest = strings.TrimLeft(rest[1:], space); rest == "" {
			return nil, false
		}
	}
	return names, true
}

// quotedName reads a name up to its closing quote.
func quotedName(text string) (name, rest string, ok bool) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			return "", "", false
		}
		b.WriteString(text[:i])
		text = text[i+1:]
		if !strings.HasPrefix(text, `"`) {
			return b.String(), text, true
		}
		b.WriteByte('"')
		text = text[1:]
	}
}

// plainName reads a name without quotes. What becomes of letters beyond ASCII depends on the server's encoding and locale.
func plainName(text string) (name, rest string, ok bool) {
	i := strings.IndexAny(text, ", \t\n\r\f\v")
	if i < 0 {
		i = len(text)
	}
	name = text[:i]
	for j := range len(name) {
		if name[j] >= 0x80 {
			return "", "", false
		}
	}
	return strings.ToLower(name), text[i:], true
}

// lookup returns the relation a name in a statement means, or nil.
func (c *Catalog) lookup(schema, name string) *relation {
	if schema != "" {
		return c.byName[qualified{schema, name}]
	}
	for _, schema := range c.path {
		if r := c.byName[qualified{schema, name}]; r != nil {
			return r
		}
	}
	return nil
}

// lookups returns all relations that a name may mean: one, or none, unless the catalog is seen from anywhere.
func (c *Catalog) lookups(schema, name string) []*relation {
	if c.anywhere && schema == "" {
		return c.named(name)
	}
	if r := c.lookup(schema, name); r != nil {
		return []*relation{r}
	}
	return nil
}

// functionsOf returns the functions that a name may mean. Without a schema, of two with equal arguments the one counts that
// comes first on the search_path.
func (c *Catalog) functionsOf(schema, name string) []*function {
	var found []*function
	first := map[string]int{} // arguments -> index in found
	for _, f := range c.functions[name] {
		if schema != "" || c.anywhere {
			if f.schema == schema || schema == "" {
				found = append(found, f)
			}
			continue
		}
		place, searched := c.place[f.schema]
		if !searched {
			continue
		}
		i, twin := first[f.arguments]
		switch {
		case !twin:
			first[f.arguments] = len(found)
			found = append(found, f)
		case place < c.place[found[i].schema]:
			found[i] = f
		}
	}
	return found
}

// castable reports whether a name means a type that a value may be cast to, and whether that is a date type. Without a schema the first
// on the search_path counts.
func (c *Catalog) castable(schema, name string) (date, ok bool) {
	t, found := c.typeOf(schema, name)
	return found && t.safe && t.date, found && t.safe
}

// typeOf returns the type that a name means, if it is one of those that are known by name.
func (c *Catalog) typeOf(schema, name string) (best namedType, found bool) {
	first := len(c.path)
	for _, t := range c.types[name] {
		place, searched := c.place[t.schema]
		switch {
		case schema != "":
			if t.schema == schema {
				return t, true
			}
		case searched && place < first:
			first, best, found = place, t, true
		}
	}
	return best, found
}

// polices reports whether the policies of a relation hold for the role (check_enable_rls in the server's sources).
func (c *Catalog) polices(r *relation) bool {
	return r.rowSecurity && !c.rights.Free && (r.forced || !c.rights.Owners[r.owner])
}
