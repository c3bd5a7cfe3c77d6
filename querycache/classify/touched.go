package classify

import (
	"overdrive/querycache/verdict"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file tells whether a statement touches the columns of a table that are read or shown by rules beyond the settings, such as those of
// type regclass.

// touched is what a statement names.
type touched struct {
	mentioned   map[string]bool               // all parts of the names of columns
	rows        map[string]bool               // the names of columns, which may be those of tables and stand for whole rows
	stars       map[string]bool               // what stands before .*
	doubtful    map[*relation]map[string]bool // the names by which tables with such columns are called
	everyColumn bool                          // * stands by itself, or a join compares whatever columns have the same name
}

func newTouched() touched {
	return touched{mentioned: map[string]bool{}, rows: map[string]bool{}, stars: map[string]bool{}}
}

func (w *walker) touch(names ...string) {
	for _, name := range names {
		w.mentioned[name] = true
	}
}

// touchStar notes a * among the parts of the name of a column, which are given without it.
func (w *walker) touchStar(fields *ast.NodeList, names []string) {
	switch {
	case !hasStar(fields):
		if len(names) > 0 {
			w.rows[names[len(names)-1]] = true
		}
	case len(names) == 0:
		w.everyColumn = true
	default:
		w.stars[names[len(names)-1]] = true
	}
}

// touchTable notes a table that is read, by the name that it has in the statement.
func (w *walker) touchTable(r *relation, n *ast.RangeVar) {
	if len(r.unstable) == 0 {
		return
	}
	if w.doubtful == nil {
		w.doubtful = map[*relation]map[string]bool{}
	}
	if w.doubtful[r] == nil {
		w.doubtful[r] = map[string]bool{}
	}
	name := n.RelName
	if n.Alias != nil {
		name = n.Alias.AliasName
		if n.Alias.ColNames != nil { // a column may have any of these names
			w.everyColumn = true
		}
	}
	w.doubtful[r][name] = true
}

// settleTouched refuses a statement that touches such a column, or a whole row with one.
func (w *walker) settleTouched() {
	for r, called := range w.doubtful {
		whole := w.everyColumn || w.expanded
		for name := range called {
			whole = whole || w.stars[name] || w.rows[name]
		}
		for _, column := range r.unstable {
			if whole || w.mentioned[column] {
				w.refuse(verdict.Uncacheable, "column %q of relation %q is of a type not known to be safe", column, r.name)
				return
			}
		}
	}
}
