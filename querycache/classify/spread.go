package classify

import (
	"maps"
	"slices"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file follows a change of rows to where it goes from the relation that a statement names: partitions and children, foreign keys that
// cascade, and the triggers of all of them.

// ops are kinds of changes of rows.
type ops uint8

const (
	opInsert ops = 1 << iota
	opUpdate
	opDelete
	opTruncate
)

// change is what happens to rows of a relation.
type change struct {
	ops     ops
	columns []string // that an UPDATE sets, sorted; nil: any
}

// changesOf returns what a statement does to the relation that it names.
func changesOf(n ast.Node) change {
	switch n := n.(type) {
	case *ast.InsertStmt:
		c := change{ops: opInsert}
		if n.OnConflictClause != nil && n.OnConflictClause.TargetList != nil {
			c.ops |= opUpdate
			c.columns = targets(n.OnConflictClause.TargetList.Items)
		}
		return c
	case *ast.UpdateStmt:
		c := change{ops: opUpdate}
		if n.TargetList != nil {
			c.columns = targets(n.TargetList.Items)
		}
		return c
	case *ast.DeleteStmt:
		return change{ops: opDelete}
	}
	if n, ok := n.(*ast.MergeStmt); ok && n.MergeWhenClauses != nil {
		return mergeChanges(n.MergeWhenClauses.Items)
	}
	return change{ops: opInsert | opUpdate | opDelete}
}

// mergeChanges returns what the branches of a MERGE do.
func mergeChanges(branches []ast.Node) change {
	c := change{columns: []string{}}
	for _, item := range branches {
		branch, ok := item.(*ast.MergeWhenClause)
		if !ok {
			return change{ops: opInsert | opUpdate | opDelete}
		}
		switch branch.CommandType {
		case ast.CMD_NOTHING:
		case ast.CMD_INSERT:
			c.ops |= opInsert
		case ast.CMD_DELETE:
			c.ops |= opDelete
		case ast.CMD_UPDATE:
			c.ops |= opUpdate
			for _, target := range branch.TargetList {
				if target.Name == "" {
					return change{ops: opInsert | opUpdate | opDelete}
				}
				c.columns = append(c.columns, target.Name)
			}
		default:
			return change{ops: opInsert | opUpdate | opDelete}
		}
	}
	slices.Sort(c.columns)
	return c
}

// targets returns the columns that a list of assignments sets, nil if it cannot be told.
func targets(items []ast.Node) []string {
	var columns []string
	for _, item := range items {
		target, ok := item.(*ast.ResTarget)
		if !ok || target.Name == "" {
			return nil
		}
		columns = append(columns, target.Name)
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// columnKey returns one text for the same columns.
func (c change) columnKey() string {
	if c.columns == nil {
		return "any"
	}
	return "\x00" + strings.Join(c.columns, "\x00")
}

// sets reports whether an UPDATE may change a column; empty: one that changes with any.
func (c change) sets(column string) bool {
	return c.columns == nil || column == "" || slices.Contains(c.columns, column)
}

// spreading is a change that is being followed.
type spreading struct {
	*walker
	done  map[spreadKey]bool
	todo  []spreadItem
	above map[*relation]ops // ancestors whose foreign keys were followed
}

type spreadKey struct {
	relation *relation
	ops      ops
	columns  string // see columnKey
}

type spreadItem struct {
	relation *relation
	change
}

// spread notes all that a change of r may write.
func (w *walker) spread(r *relation, c change) {
	s := spreading{walker: w, done: map[spreadKey]bool{}, above: map[*relation]ops{}, todo: []spreadItem{{r, c}}}
	for len(s.todo) > 0 && !w.everything {
		item := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		s.follow(item)
	}
}

func (s *spreading) push(r *relation, c change) {
	key := spreadKey{r, c.ops, c.columnKey()}
	if s.done[key] {
		return
	}
	s.done[key] = true
	s.todo = append(s.todo, spreadItem{r, c})
}

// follow notes what a change of a relation does at once, and puts on the list what it leads to.
func (s *spreading) follow(item spreadItem) {
	family := item.relation.family()
	if !s.spend(len(family)) {
		return
	}
	c := item.change
	for _, r := range family {
		if c.ops&opUpdate != 0 && r.inPartitions() { // a row that changes its partition is deleted and inserted
			c.ops |= opInsert | opDelete
		}
	}
	for _, r := range family {
		if r.opaque || r.kind != 'r' && r.kind != 'p' {
			s.everything = true
			return
		}
		if s.planning {
			continue
		}
		s.writes[r] = true
		if c = s.fire(r, c); s.everything {
			return
		}
	}
	for _, r := range family {
		s.cascade(r, c)
	}
}

// inPartitions reports whether r is partitioned, or a partition.
func (r *relation) inPartitions() bool {
	return r.kind == 'p' || slices.ContainsFunc(r.parents, func(up *relation) bool { return up.kind == 'p' })
}

// fire follows the triggers that a change of r runs. It returns the change with what they change of the row.
func (s *spreading) fire(r *relation, c change) change {
	for _, t := range r.triggers {
		if t.fires&c.ops == 0 {
			continue
		}
		code := s.catalog.routine(t)
		if !s.spend(1+len(code.changes)+len(code.mention.code)+len(code.mention.relations)) || t.opaque || code.unknown {
			s.everything = true
			return c
		}
		s.fires = true
		s.mention.add(code.mention)
		for _, one := range code.changes {
			s.push(one.relation, one.change)
		}
		switch {
		case !t.before || t.fires&opUpdate == 0 || c.columns == nil:
		case code.anyColumn:
			c.columns = nil
		default:
			c.columns = slices.Concat(c.columns, code.columns)
		}
	}
	return c
}

// cascade follows the foreign keys of r. One on an ancestor acts for r, too.
func (s *spreading) cascade(r *relation, c change) {
	for todo := []*relation{r}; len(todo) > 0; {
		up := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.columns == nil {
			if s.above[up]&c.ops == c.ops {
				continue
			}
			s.above[up] |= c.ops
		}
		if !s.spend(1 + len(up.affects)) {
			return
		}
		for _, key := range up.affects {
			if key.onDelete && c.ops&(opDelete|opTruncate) != 0 || key.onUpdate && c.ops&opUpdate != 0 && c.sets(key.column) {
				s.push(key.to, change{ops: opUpdate | opDelete})
			}
		}
		todo = append(todo, up.parents...)
	}
}

// routine is what a function does that triggers run.
type routine struct {
	unknown   bool         // it may do anything
	changes   []spreadItem // of other relations
	columns   []string     // of the row of its trigger that it may set
	anyColumn bool         // it may set any of them
	mention   mention      // what it names
}

// routineKey names a routine. Transition tables have names that hide others.
type routineKey struct {
	function uint32
	old, new string
}

// maxRoutines bounds what is remembered of routines: how many changes they make together, and what they name.
const maxRoutines = 1 << 16

// routine returns what the function of a trigger does. It is worked out when it is first asked for, whoever asks: names in it are taken to
// mean what they mean in any schema.
func (c *Inventory) routine(t trigger) *routine {
	key := routineKey{t.function, t.old, t.new}
	all := c.routines
	all.mu.Lock()
	known := all.known[key]
	all.mu.Unlock()
	if known != nil {
		return known
	}
	known = c.readRoutine(t)
	all.mu.Lock()
	defer all.mu.Unlock()
	size := 1 + len(known.changes) + len(known.mention.code) + len(known.mention.relations)
	if all.held += size; all.held > maxRoutines {
		all.known, all.held = map[routineKey]*routine{}, size
	}
	all.known[key] = known
	return known
}

var unknownRoutine = &routine{unknown: true}

func (c *Inventory) readRoutine(t trigger) *routine {
	switch code := c.triggerCode[t.function]; {
	case code.kind == 'q':
		return &routine{anyColumn: true}
	case code.kind != 'p' || code.source == "" || len(c.writing) > 0: // a variable may be of any type
		return unknownRoutine
	default:
		return c.readBody(code.source, t)
	}
}

// readBody reads the body of a function in PL/pgSQL.
func (c *Inventory) readBody(source string, t trigger) *routine {
	w := newWalker(&Catalog{Inventory: c, anywhere: true, place: map[string]int{}, rights: &Rights{}})
	for _, name := range []string{t.old, t.new} {
		if name != "" {
			w.ctes[name]++
		}
	}
	b := &block{walker: w, text: []byte(source), columns: map[string]bool{}}
	if !b.read() || w.everything || w.ddl || w.shared || w.temporary || w.commits {
		return unknownRoutine
	}
	return &routine{changes: w.requests, columns: slices.Sorted(maps.Keys(b.columns)), anyColumn: b.anyColumn, mention: w.mention}
}
