package classify

import (
	"reflect"
	"slices"
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"

	"overdrive/querycache/sqlscan"
)

// lostName returns a name in the tokens that is nowhere in the trees, or "". Some grammar rule of the parser then let it
// fall (the parts of a name such as database.schema.table are an example), and the trees must not be trusted.
func lostName(stmts []ast.Stmt, all []statement) string {
	kept := map[string]bool{}
	for _, s := range stmts {
		keepNames(s, kept)
		var parameter string // which has a.b in one piece
		switch s := s.(type) {
		case *ast.VariableSetStmt:
			parameter = s.Name
		case *ast.VariableShowStmt:
			parameter = s.Name
		case *ast.GrantStmt:
			kept["public"] = kept["public"] || namesAll(s.Grantees) // no role can have the name
		case *ast.AlterDefaultPrivilegesStmt:
			kept["public"] = kept["public"] || s.Action != nil && namesAll(s.Action.Grantees)
		case *ast.CreatePolicyStmt:
			kept["public"] = kept["public"] || namesAll(s.Roles)
		case *ast.AlterPolicyStmt:
			kept["public"] = kept["public"] || namesAll(s.Roles)
		}
		for part := range strings.SplitSeq(parameter, ".") {
			kept[part] = true
		}
	}
	for _, s := range all {
		for _, t := range s {
			if t.name == "" || kept[t.name] || t.kind == sqlscan.Word && isKeyword(t.name) {
				continue
			}
			return t.name
		}
	}
	return ""
}

// keepNames adds every string of a statement. What is too deep is not found and so counts as lost.
func keepNames(n ast.Node, kept map[string]bool) {
	eachValue(reflect.ValueOf(n), 0, func(v reflect.Value) {
		if v.Kind() == reflect.String {
			kept[v.String()] = true
		}
	})
}

// eachValue calls do for v and all that is in it.
func eachValue(v reflect.Value, depth int, do func(v reflect.Value)) {
	if depth++; depth > 4*maxDepth { // a node is a few values deep
		return
	}
	do(v)
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachValue(v.Elem(), depth, do)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachValue(v.Index(i), depth, do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			eachValue(v.Field(i), depth, do)
		}
	}
}

// namesAll reports whether PUBLIC is among the roles, a word that the tree does not keep.
func namesAll(roles *ast.NodeList) bool {
	return slices.ContainsFunc(listed(roles), func(item ast.Node) bool {
		role, ok := item.(*ast.RoleSpec)
		return ok && role.Roletype == ast.ROLESPEC_PUBLIC
	})
}
