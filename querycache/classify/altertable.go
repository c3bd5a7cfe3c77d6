package classify

import (
	"slices"

	"github.com/multigres/multigres/go/common/parser/ast"
)

// This file is about ALTER TABLE: which kinds of it run no code of the user's that may write, and what they change.

// harmlessAlter are the kinds of ALTER TABLE that run nothing for any row, whatever stands in them.
var harmlessAlter = map[ast.AlterTableType]bool{
	ast.AT_ColumnDefault: true, ast.AT_DropNotNull: true, ast.AT_SetStatistics: true, ast.AT_SetStorage: true, ast.AT_DropColumn: true,
	ast.AT_EnableTrig: true, ast.AT_DisableTrig: true, ast.AT_EnableTrigAll: true, ast.AT_DisableTrigAll: true, ast.AT_EnableTrigUser: true,
	ast.AT_DisableTrigUser: true, ast.AT_EnableRowSecurity: true, ast.AT_DisableRowSecurity: true, ast.AT_ForceRowSecurity: true,
	ast.AT_NoForceRowSecurity: true, ast.AT_ReplicaIdentity: true, ast.AT_SetRelOptions: true, ast.AT_ResetRelOptions: true, ast.AT_SetNotNull: true,
	ast.AT_EnableAlwaysTrig: true, ast.AT_EnableReplicaTrig: true, ast.AT_EnableRule: true, ast.AT_EnableAlwaysRule: true, ast.AT_EnableReplicaRule: true,
	ast.AT_DisableRule: true, ast.AT_ChangeOwner: true, ast.AT_SetOptions: true, ast.AT_ResetOptions: true, ast.AT_SetCompression: true, ast.AT_ClusterOn: true,
	ast.AT_DropCluster: true, ast.AT_DropExpression: true,
}

// understands reports whether nothing of the user's is run by an ALTER TABLE, and adds what else changes with the table.
func (w *walker) understands(t *Touch, n *ast.AlterTableStmt) bool {
	for _, item := range n.Cmds.Items {
		cmd, ok := item.(*ast.AlterTableCmd)
		if !ok || cmd.Behavior == ast.DropCascade && !w.cascadesFrom(t, n.Relation) || !harmlessAlter[cmd.Subtype] && !w.understandsOne(t, n.Relation, cmd) {
			return false
		}
	}
	return true
}

// understandsOne is about the kinds that may run something for each row, or change more than the table.
func (w *walker) understandsOne(t *Touch, n *ast.RangeVar, cmd *ast.AlterTableCmd) bool {
	table := n.RelName
	switch cmd.Subtype {
	case ast.AT_AddColumn:
		column, ok := cmd.Def.(*ast.ColumnDef)
		return ok && w.plainColumn(t, table, column) && (isEmpty(column) || w.touchesOld(t, n))
	case ast.AT_AlterColumnType: // what stands behind USING is run for every row
		column, ok := cmd.Def.(*ast.ColumnDef)
		return ok && w.touchesOld(t, n) && w.plainType(column.TypeName) && (isNil(column.RawDefault) || w.runsNothing(column.RawDefault))
	case ast.AT_AddConstraint:
		constraint, ok := cmd.Def.(*ast.Constraint)
		return ok && w.plainConstraint(t, table, constraint)
	case ast.AT_ValidateConstraint:
		return w.touchesOld(t, n)
	case ast.AT_DropConstraint: // perhaps with its index
		t.add(cmd.Name)
		return true
	case ast.AT_AddIdentity, ast.AT_SetIdentity, ast.AT_DropIdentity: // with a sequence
		w.makesUp(t, table)
		return true
	case ast.AT_AddInherit, ast.AT_DropInherit:
		parent, ok := cmd.Def.(*ast.RangeVar)
		return ok && w.touchesThere(t, parent)
	case ast.AT_AttachPartition, ast.AT_DetachPartition: // CONCURRENTLY it commits in between
		part, ok := cmd.Def.(*ast.PartitionCmd)
		if !ok || part.Concurrent || !w.touchesOld(t, n) || !w.touchesOld(t, part.Name) || !w.plainBound(part.Bound) {
			return false
		}
		w.makesUp(t, part.Name.RelName)
		return true
	}
	return false
}

// plainColumn reports whether a new column is of a type of PostgreSQL's own, and nothing of the user's is run to fill and to check it.
func (w *walker) plainColumn(t *Touch, table string, n *ast.ColumnDef) bool {
	if !isNil(n.RawDefault) && !w.runsNothing(n.RawDefault) {
		return false
	}
	for _, item := range listed(n.Constraints) {
		constraint, ok := item.(*ast.Constraint)
		if !ok || !w.plainConstraint(t, table, constraint) {
			return false
		}
	}
	if isSerial(n.TypeName) {
		w.makesUp(t, table)
		return true
	}
	return w.plainType(n.TypeName)
}

// isEmpty reports whether a new column has nothing in any row.
func isEmpty(n *ast.ColumnDef) bool {
	return isNil(n.RawDefault) && len(listed(n.Constraints)) == 0 && !isSerial(n.TypeName)
}

// isSerial reports whether what stands for a type is a sequence.
func isSerial(n *ast.TypeName) bool {
	if n == nil {
		return false
	}
	all := names(n.Names)
	return len(all) == 1 && slices.Contains([]string{"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"}, all[0])
}

// plainType reports whether a type is certainly PostgreSQL's own, and a safe one.
func (w *walker) plainType(n *ast.TypeName) bool {
	if n == nil {
		return false
	}
	all := names(n.Names)
	if len(all) == 0 {
		return false
	}
	w.mention.speak(schemaOf(all), all[len(all)-1], true)
	types := w.catalog.types[all[len(all)-1]]
	return len(types) == 1 && types[0].safe && types[0].oid < firstUser
}

// plainConstraint reports whether nothing of the user's is run to check the rows that are there by a new constraint, and adds what changes
// with it: the table that it refers to, and the name of an index.
func (w *walker) plainConstraint(t *Touch, table string, n *ast.Constraint) bool {
	switch n.Contype {
	case ast.CONSTR_NULL, ast.CONSTR_NOTNULL, ast.CONSTR_ATTR_DEFERRABLE, ast.CONSTR_ATTR_NOT_DEFERRABLE, ast.CONSTR_ATTR_DEFERRED, ast.CONSTR_ATTR_IMMEDIATE:
		return true
	case ast.CONSTR_DEFAULT, ast.CONSTR_GENERATED, ast.CONSTR_CHECK:
		return !isNil(n.RawExpr) && w.runsNothing(n.RawExpr)
	case ast.CONSTR_IDENTITY:
		w.makesUp(t, table)
		return true
	case ast.CONSTR_FOREIGN:
		return w.touchesThere(t, n.Pktable)
	case ast.CONSTR_PRIMARY, ast.CONSTR_UNIQUE:
		w.makesUp(t, table)
		for _, name := range []string{n.Conname, n.Indexname} {
			if name != "" {
				t.add(name)
			}
		}
		return true
	}
	return false
}
