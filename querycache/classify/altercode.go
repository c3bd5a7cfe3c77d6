package classify

import (
	"strings"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file lists the DDL on functions, types, sequences and schemas that is understood. It runs nothing: bodies, defaults and conditions are
// read and not worked out. What may mean something else is what names the function or the type, for all else goes by OID.

// touchesCode is touches for what belongs to no relation.
func (w *walker) touchesCode(t *Touch, n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.CreateFunctionStmt:
		return plainOptions(n.Options) && w.touchesFunction(t, names(n.FuncName), n)
	case *ast.AlterFunctionStmt:
		return n.Func != nil && plainOptions(n.Actions) && w.touchesFunction(t, names(n.Func.Objname), n)
	case *ast.DefineStmt:
		return n.Kind == ast.OBJECT_AGGREGATE && w.touchesFunction(t, names(n.DefNames), n)
	case *ast.CreateEnumStmt:
		return touchesType(t, names(n.TypeName))
	case *ast.AlterEnumStmt: // another value has others mean nothing else, but another name
		return n.OldVal == "" && touchesType(t, names(n.TypeName))
	case *ast.CreateDomainStmt:
		return touchesType(t, names(n.Domainname))
	case *ast.CompositeTypeStmt:
		return isPlain(n.Typevar) && touchesType(t, []string{n.Typevar.RelName})
	case *ast.CreateSeqStmt:
		return touchesSequence(t, n.Sequence) && n.Sequence.RelPersistence != ast.RELPERSISTENCE_TEMP
	case *ast.AlterSeqStmt:
		return touchesSequence(t, n.Sequence)
	case *ast.CreateSchemaStmt: // there is nothing in it
		return len(listed(n.SchemaElts)) == 0
	}
	return false
}

// plainOptions reports whether a function is in a language whose functions are always taken to write, if it says in which, and tells the planner nothing
// that is code.
func plainOptions(options *ast.NodeList) bool {
	for _, item := range listed(options) {
		option, ok := item.(*ast.DefElem)
		if !ok {
			return false
		}
		switch option.Defname {
		case "as", "volatility", "strict", "security", "leakproof", "parallel", "cost", "rows", "set":
		case "language":
			if name, ok := option.Arg.(*ast.String); !ok || !strings.EqualFold(name.SVal, "sql") && !strings.EqualFold(name.SVal, "plpgsql") {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// touchesFunction adds the functions of a name. What calls one by its OID was taken to write before, and is now: so it must be with all functions
// of the name that are not PostgreSQL's own. The verdict on a change of rows goes by what triggers run.
func (w *walker) touchesFunction(t *Touch, parts []string, n ast.Stmt) bool {
	if !isPlain(rangeVar(parts)) {
		return false
	}
	name := parts[len(parts)-1]
	for _, f := range w.catalog.functions[name] {
		if f.builtin && len(parts) == 1 || !f.builtin && (f.trust != 0 || !mayWrite(f.volatility)) {
			return false
		}
	}
	t.code[name] = true
	run := map[uint32]bool{}
	for oid, code := range w.catalog.triggerCode {
		if code.name == name {
			run[oid] = true
		}
	}
	if create, ok := n.(*ast.CreateFunctionStmt); ok && create.ReturnType != nil {
		all := names(create.ReturnType.Names)
		t.triggers = t.triggers || len(all) > 0 && all[len(all)-1] == "trigger"
	}
	if len(run) == 0 {
		return true
	}
	t.triggers = true
	for _, id := range w.catalog.triggeredBy(run) {
		t.relations[id] = true
	}
	return true
}

// touchesSequence adds a sequence that comes or changes.
func touchesSequence(t *Touch, n *ast.RangeVar) bool {
	if !isPlain(n) {
		return false
	}
	t.names[n.RelName] = true
	return true
}

// touchesType adds a type that comes or goes.
func touchesType(t *Touch, parts []string) bool {
	if !isPlain(rangeVar(parts)) {
		return false
	}
	t.names[parts[len(parts)-1]] = true // a composite type hides a relation
	t.addCode(parts[len(parts)-1])
	return true
}

// touchesDroppedCode is touches for DROP of what belongs to no relation.
func (w *walker) touchesDroppedCode(t *Touch, n *ast.DropStmt) bool {
	for _, item := range listed(n.Objects) {
		switch item := item.(type) {
		case *ast.ObjectWithArgs:
			if !w.touchesFunction(t, names(item.Objname), n) {
				return false
			}
		case *ast.TypeName:
			if !touchesType(t, names(item.Names)) {
				return false
			}
		case *ast.String: // a schema with nothing in it
		default:
			return false
		}
	}
	return n.Objects != nil
}
