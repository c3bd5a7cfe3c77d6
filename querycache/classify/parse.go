package classify

import (
	"fmt"

	"github.com/multigres/multigres/go/common/parser"
	"github.com/multigres/multigres/go/common/parser/ast"
)

// parse returns the trees of the statements in sql. A panic of the parser is an error like any other.
func parse(sql string) (stmts []ast.Stmt, err error) {
	defer func() {
		if p := recover(); p != nil {
			stmts, err = nil, fmt.Errorf("parse: panic: %v", p)
		}
	}()
	stmts, err = parser.ParseSQL(sql)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return stmts, nil
}

// isKeyword reports whether the lower-case word has a meaning of its own in the grammar.
func isKeyword(word string) bool { return parser.IsKeyword(word) }

// mayNameFunction reports whether a word without quotes may be the name of a function.
func mayNameFunction(word string) bool {
	k := parser.LookupKeyword(word)
	return k == nil || k.Category == parser.UnreservedKeyword || k.Category == parser.TypeFuncNameKeyword
}
