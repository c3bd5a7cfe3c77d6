package classify

import (
	"slices"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file follows a change of rows to where it goes from the relation that a statement names: partitions and children, foreign keys that
// cascade, the triggers of all of them, and the functions that those call. What a function does that the statement itself calls is followed
// in the same way.

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

// spreading is a change, or a call, that is being followed.
type spreading struct {
	*walker
	done  map[spreadKey]bool
	todo  []spreadItem
	above map[*relation]ops // ancestors whose foreign keys were followed
	ran   map[*function]bool
	calls []*function // to be followed
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
	s := newSpreading(w)
	s.todo = append(s.todo, spreadItem{r, c})
	s.run()
}

// maxFollowed bounds the functions that one call is followed through.
const maxFollowed = 1000

// call notes all that a function of the user's may write, or in a body that is read, that it is called there. It reports whether that is known.
func (w *walker) call(f *function) bool {
	if w.catalog.anywhere {
		w.called = append(w.called, f)
		return true
	}
	if w.followed[f] {
		return !w.everything
	}
	w.followed[f] = true
	planning := w.planning
	w.planning = false // the server may run it to plan
	defer func() { w.planning = planning }()
	s := newSpreading(w)
	s.pushCall(f)
	s.run()
	return !w.everything
}

func newSpreading(w *walker) *spreading {
	return &spreading{walker: w, done: map[spreadKey]bool{}, above: map[*relation]ops{}, ran: map[*function]bool{}}
}

func (s *spreading) run() {
	for !s.everything {
		if last := len(s.calls) - 1; last >= 0 {
			f := s.calls[last]
			s.calls = s.calls[:last]
			s.enter(f)
			continue
		}
		last := len(s.todo) - 1
		if last < 0 {
			return
		}
		item := s.todo[last]
		s.todo = s.todo[:last]
		s.follow(item)
	}
}

// pushCall puts a function on the list, once: so functions that call each other come to an end.
func (s *spreading) pushCall(f *function) {
	if !s.ran[f] {
		s.ran[f] = true
		s.calls = append(s.calls, f)
	}
}

// enter notes what a function does at once, and puts on the list what it leads to.
func (s *spreading) enter(f *function) {
	s.runs = true
	s.mention.speak("", f.name, true)
	if !s.take(s.catalog.routineOf(f)) || len(s.ran) > maxFollowed {
		s.everything = true
		s.shared = s.shared || f.shares
	}
}

// take notes what a body does that runs, and puts on the list what it leads to. It reports whether that is known.
func (s *spreading) take(code *routine) bool {
	if !s.spend(code.weight()) || code.unknown {
		return false
	}
	s.draws, s.ownSets = s.draws || code.draws, append(s.ownSets, code.ownSets...)
	s.mention.add(code.mention)
	for _, one := range code.changes {
		s.push(one.relation, one.change)
	}
	for _, f := range code.calls {
		s.pushCall(f)
	}
	return true
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
		if t.opaque || !s.take(code) {
			s.everything = true
			return c
		}
		s.fires = true
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
