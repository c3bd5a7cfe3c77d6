package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"
)

// Every function of the server that it does not call immutable is called, by name and with as many arguments as it takes.
// None may get through but those of the list.
func TestStableFunctions_OnlyThoseOfTheListAreAllowed(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, "CREATE TABLE plain (id int)")
	catalog := loadCatalog(t, conn)
	c := New(nil)
	c.SetCatalog(catalog, c.Generation())
	rows := execSQL(t, conn, `SELECT proname, quote_ident(proname), pronargs - CASE WHEN provariadic = 0 THEN 0 ELSE 1 END, provolatile,
		proname::text || '(' || oidvectortypes(proargtypes) || ')', p.oid
		FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile <> 'i' AND prorettype <> 'trigger'::regtype`)[0].Rows
	if len(rows) < 500 {
		t.Fatalf("got %d functions that are not immutable", len(rows))
	}
	listed := map[string]bool{}
	for signature := range onSettings {
		listed[signature[:strings.IndexByte(signature, '(')]] = true
	}
	byName, exact := 0, 0
	for _, row := range rows {
		name, signature := string(row[0]), string(row[4])
		var args int
		fmt.Sscan(string(row[2]), &args)
		sql := fmt.Sprintf("SELECT pg_catalog.%s(%s) FROM plain", row[1], strings.TrimPrefix(strings.Repeat(",id", args), ","))
		if v := c.Judge([]byte(sql)); v.Status == verdict.Cacheable {
			byName++
			if !listed[name] {
				t.Errorf("%s: cacheable", sql)
			}
		}
		var oid uint32
		fmt.Sscan(string(row[5]), &oid)
		rd := newReading()
		catalog.judgeCall(rd, oid)
		if rd.clock != "" { // it tells the time, which the owner may say how exact to take
			rd.refuse(verdict.Volatile, "%s", rd.clock)
		}
		if rd.status == verdict.Cacheable {
			exact++
		}
		if want := string(row[3]) == "s" && onSettings[signature]; want != (rd.status == verdict.Cacheable) {
			t.Errorf("%s, %s: allowed %v, want %v", signature, row[3], !want, want)
		}
	}
	seen := map[string]bool{}
	for _, row := range execSQL(t, conn, "SELECT proname::text || '(' || oidvectortypes(proargtypes) || ')' FROM pg_proc")[0].Rows {
		seen[string(row[0])] = true
	}
	var newer []string
	for signature := range onSettings {
		if !seen[signature] {
			newer = append(newer, signature)
		}
	}
	slices.Sort(newer)
	for _, signature := range newer { // of PostgreSQL 16 and later; before 15 all others are there
		if !strings.Contains(signature, "_strict(") && !strings.Contains(signature, "_unique") && !strings.HasPrefix(signature, "date_add") &&
			!strings.HasPrefix(signature, "date_subtract") {
			t.Errorf("%s: the server has no such function", signature)
		}
	}
	t.Logf("of %d functions that are not immutable %d are allowed, %d calls by name; %d of the list are of another version",
		len(rows), exact, byName, len(newer))
}

// What operators and casts of PostgreSQL call is not named in a statement. All of it must be on the list, or give or take
// a type that is refused.
func TestStableFunctions_OfOperatorsAndCastsAreOnTheList(t *testing.T) {
	conn := connect(t, startPostgres(t))
	rows := execSQL(t, conn, `
		SELECT DISTINCT proname::text || '(' || oidvectortypes(proargtypes) || ')' FROM (
			SELECT oprcode::oid AS f FROM pg_operator WHERE oprcode <> 0
			UNION ALL SELECT castfunc FROM pg_cast WHERE castfunc <> 0 AND casttarget NOT IN ('timetz'::regtype, 'regclass'::regtype, 'xml'::regtype)) used
		JOIN pg_proc p ON p.oid = used.f WHERE provolatile <> 'i'`)[0].Rows
	if len(rows) < 30 {
		t.Fatalf("got %d functions", len(rows))
	}
	for _, row := range rows {
		if !onSettings[string(row[0])] {
			t.Errorf("%s is not on the list", row[0])
		}
	}
}
