package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file finds plans that read all of a large table for few of its rows, and the index that would spare that.

// What counts as large, and as few.
const (
	fewestPages = 64   // of a large table
	fewRows     = 0.05 // of its rows
	maxColumns  = 3    // of an index
	maxWidth    = 500  // bytes of a value, on average: an index takes no long ones
	cheaper     = 0.8  // of the cost: an index is worth it below that
)

// plans looks for indexes. Its error says why the server could not be asked.
func (a *adviser) plans(ctx context.Context) error {
	if !slices.ContainsFunc(a.shapes, plannable) {
		return nil
	}
	err := a.origin.keeper.Lend(ctx, func(conn *upstream.Conn) error {
		p := &planner{conn: conn}
		hypothetical, err := p.hypothetical()
		if err != nil {
			return err
		}
		var late error
		for i := range a.shapes {
			q := &a.shapes[i]
			if !plannable(*q) {
				continue
			}
			err := a.indexAdvice(p, q, hypothetical)
			refusal := (*upstream.ServerError)(nil)
			switch {
			case err == nil:
			case !errors.As(err, &refusal):
				return err
			case refusal.Code == pgwire.CodeLockNotAvailable || refusal.Code == pgwire.CodeQueryCanceled:
				late = err // another time there may be a plan
			default: // the server has its reasons: rights, say, or a parameter of no type
			}
		}
		return late
	})
	return err
}

// plannable says whether a shape may be shown to a server: see planner.
func plannable(q costly) bool {
	return q.verdict.Status == verdict.Cacheable && len(q.Tables) > 0 && len(q.Shape) <= maxPlanned
}

// indexAdvice looks for an index for one shape.
func (a *adviser) indexAdvice(p *planner, q *costly, hypothetical string) error {
	generic, ok := classify.Generic(q.Shape)
	if !ok || a.judge(generic.Text).Status != verdict.Cacheable {
		return nil
	}
	var plan *planNode
	err := p.apart(planSettings, func() (err error) {
		plan, err = p.plan(generic)
		return err
	})
	if err != nil {
		return err
	}
	var scans []scan
	plan.each(1, func(n *planNode, processes float64) {
		if n.Type == "Seq Scan" && n.Filter != "" && n.Relation != "" {
			scans = append(scans, scan{n, n.Rows * processes})
		}
	})
	told := make(map[string]bool) // a table may be read twice
	for _, s := range scans[:min(len(scans), 8)] {
		wanted, err := p.indexFor(s)
		if err != nil {
			return err
		}
		if wanted == nil || told[wanted.sql("")] {
			continue
		}
		told[wanted.sql("")] = true
		gain, useful, err := p.try(hypothetical, wanted, generic, plan.Cost)
		if err != nil {
			return err
		}
		if useful {
			a.add(q, proxy.AdviceIndex, wanted.advice(s, gain))
		}
	}
	return nil
}

// scan is a step that reads all of a table, with the rows that are left of it.
type scan struct {
	*planNode
	kept float64
}

// index is one that is not there.
type index struct {
	table     string // quoted
	columns   []string
	rows      float64 // of the table
	partition bool
}

func (x *index) sql(how string) string {
	return fmt.Sprintf("CREATE INDEX %sON %s (%s)", how, x.table, strings.Join(x.columns, ", "))
}

func (x *index) advice(s scan, gain string) string {
	others := ""
	if x.partition {
		others = " (and likewise on the other partitions)"
	}
	return fmt.Sprintf("It reads all %.0f rows of %s for about %.0f: %s%s; %s.", x.rows, x.table, s.kept, x.sql("CONCURRENTLY "), others, gain)
}

// ownNames has names in questions of ours mean PostgreSQL's own.
const ownNames = "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '2s'"

// ask asks a question of ours.
func (p *planner) ask(sql string) (rows [][]string, err error) {
	err = p.apart(ownNames, func() error {
		rows, err = p.conn.Query(sql)
		return err
	})
	return rows, err
}

// indexFor returns the index that would spare a scan, nil if there is none, if it is there already, or if the table is small.
func (p *planner) indexFor(s scan) (*index, error) {
	equal := classify.Equalities(s.Filter)
	if len(equal) == 0 {
		return nil, nil
	}
	where := "n.nspname = " + classify.Literal(s.Schema) + " AND c.relname = " + classify.Literal(s.Relation)
	rows, err := p.ask(`SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.reltuples::float8, c.relpages, c.relispartition,
	      a.attname, quote_ident(a.attname), t.typname = 'varchar',
	      CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples ELSE s.n_distinct END, s.avg_width
	 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	 JOIN pg_type t ON t.oid = a.atttypid JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND s.inherited = false
	WHERE ` + where + ` AND c.relkind IN ('r', 'm') AND (t.typtype = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN ('int2', 'int4', 'int8',
	      'numeric', 'float4', 'float8', 'text', 'varchar', 'bpchar', 'name', 'date', 'timestamp', 'timestamptz', 'time', 'uuid', 'bool', 'bytea', 'oid', 'inet'))`)
	if err != nil {
		return nil, err
	}
	x := choose(s, equal, rows)
	if x == nil {
		return nil, nil
	}
	have, err := p.ask(`SELECT (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
	         FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
	        WHERE k.place <= ` + fmt.Sprint(len(x.columns)) + `)
	 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE ` + where + ` AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts >= ` + fmt.Sprint(len(x.columns)))
	if err != nil {
		return nil, err
	}
	for _, row := range have {
		if sameNames(strings.Split(row[0], ", "), x.columns) {
			return nil, nil
		}
	}
	return x, nil
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// choose makes an index of the columns that are compared, those first that tell most rows apart, as many as it takes to find few rows.
func choose(s scan, equal []classify.Equality, rows [][]string) *index {
	type column struct {
		name     string
		distinct float64
	}
	var x *index
	var columns []column
	for _, row := range rows {
		var f facts
		if len(row) != 9 || !f.read(row) || f.pages < fewestPages || s.kept > fewRows*f.rows || f.width > maxWidth || f.distinct < 2 {
			continue
		}
		asText := row[6] == "t"
		if slices.ContainsFunc(equal, func(e classify.Equality) bool { return e.Column == row[4] && (!e.AsText || asText) }) {
			x = &index{table: row[0], rows: f.rows, partition: row[3] == "t"}
			columns = append(columns, column{row[5], f.distinct})
		}
	}
	slices.SortFunc(columns, func(a, b column) int {
		return cmp.Or(cmp.Compare(b.distinct, a.distinct), strings.Compare(a.name, b.name))
	})
	found := 1.0
	for _, c := range columns[:min(len(columns), maxColumns)] {
		if len(x.columns) > 0 && found*x.rows <= max(s.kept, 10) {
			break
		}
		x.columns = append(x.columns, c.name)
		found /= c.distinct
	}
	if x == nil || found > fewRows {
		return nil
	}
	return x
}

// facts are numbers that the catalog tells.
type facts struct{ rows, pages, distinct, width float64 }

func (f *facts) read(row []string) bool {
	n, _ := fmt.Sscan(row[1]+" "+row[2]+" "+row[7]+" "+row[8], &f.rows, &f.pages, &f.distinct, &f.width)
	return n == 4 && f.rows > 0
}

// hypothetical returns the schema of the extension hypopg, quoted, or "" if it is not there. It makes sure that its functions are in C
// and belong to it.
func (p *planner) hypothetical() (string, error) {
	rows, err := p.ask(`SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
	      JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_language l ON l.oid = f.prolang
	WHERE e.extname = 'hypopg' AND l.lanname = 'c' AND f.proname IN ('hypopg_create_index', 'hypopg_reset')
	  AND has_function_privilege(f.oid, 'EXECUTE') AND has_schema_privilege(n.oid, 'USAGE') GROUP BY 1 HAVING count(*) = 2`)
	if err != nil || len(rows) != 1 {
		return "", err
	}
	return rows[0][0], nil
}

// try has hypopg say what an index would come to. Without hypopg nobody knows, and useful is a guess by the numbers of rows.
func (p *planner) try(schema string, x *index, generic classify.Rewrite, before float64) (gain string, useful bool, err error) {
	if schema == "" {
		return "not checked, for which the extension hypopg would have to be there", true, nil
	}
	err = p.apart(planSettings, func() error {
		if _, err := p.conn.Query("SELECT " + schema + ".hypopg_create_index(" + classify.Literal(x.sql("")) + ")"); err != nil {
			return err
		}
		after, err := p.plan(generic)
		_, resetErr := p.conn.Query("SELECT " + schema + ".hypopg_reset()")
		if err != nil {
			return errors.Join(err, resetErr)
		}
		used := false
		after.each(1, func(n *planNode, _ float64) { used = used || strings.HasPrefix(n.Index, "<") })
		useful = used && after.Cost < cheaper*before
		gain = fmt.Sprintf("with it the server would expect a cost of %.0f in place of %.0f", after.Cost, before)
		return resetErr
	})
	return gain, useful, err
}
