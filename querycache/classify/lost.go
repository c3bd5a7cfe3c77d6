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
		keepNames(reflect.ValueOf(s), kept, 0)
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

// keepNames adds every string below v. What is too deep is not found and so counts as lost.
func keepNames(v reflect.Value, kept map[string]bool, depth int) {
	if depth++; depth > 4*maxDepth { // a node is a few values deep
		return
	}
	switch v.Kind() {
	case reflect.String:
		kept[v.String()] = true
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			keepNames(v.Elem(), kept, depth)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			keepNames(v.Index(i), kept, depth)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			keepNames(v.Field(i), kept, depth)
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
