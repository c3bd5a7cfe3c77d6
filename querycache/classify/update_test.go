package classify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestLoadInventory_WhatIsBroughtUpToDateIsWhatIsLoadedAnew makes changes at random, and after each compares what a session that has looked
// before has brought up to date with what is loaded as a whole.
func TestLoadInventory_WhatIsBroughtUpToDateIsWhatIsLoadedAnew(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, updatedSchema)
	looking, fresh := connect(t, dsn), connect(t, dsn)
	execSQL(t, looking, SessionSettings)
	execSQL(t, fresh, SessionSettings)
	known, _ := loadInventory(t, looking, nil, nil)
	looked := known.Signs()
	r := rand.New(rand.NewPCG(1, 2))
	done, partial := 0, 0
	for done < 60 {
		var statements []string
		for range 1 + r.IntN(2) {
			statements = append(statements, randomDDL(r))
		}
		if _, err := admin.Exec(context.Background(), strings.Join(statements, ";")).ReadAll(); err != nil {
			continue
		}
		done++
		next, _ := loadInventory(t, looking, known, looked)
		whole, _ := loadInventory(t, fresh, nil, nil)
		if a, b := next.describe(), whole.describe(); a != b {
			t.Fatalf("after %s:\n%s", strings.Join(statements, ";"), firstDifference(a, b))
		}
		if next.Signs().Common == looked.Common {
			partial++
		}
		known, looked = next, next.Signs()
	}
	if partial < done/3 {
		t.Errorf("only %d of %d changes were of relations alone", partial, done)
	}
}

const updatedSchema = `CREATE SCHEMA s; CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (x int, y text);
	CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
	CREATE FUNCTION g2(int, int) RETURNS int LANGUAGE sql AS 'SELECT $2';
	CREATE FUNCTION sets() RETURNS text LANGUAGE sql AS 'SELECT set_config(''a.b'', ''c'', false)';
	CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE DOMAIN checked AS int CHECK (g(VALUE) > 0); CREATE ROLE updater`

// randomDDL returns a change that is likely to succeed.
func randomDDL(r *rand.Rand) string {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	table := func() string { return pick("", "", "s.") + pick("a", "b", "c", "d", "e", "date") }
	column := func() string { return pick("k", "l", "m", "at", "day") }
	kind := func() string {
		return pick("int", "int", "text", "timestamptz", "date", "time", "mood", "checked", "regclass", "pair", table(), table()+"[]")
	}
	return fmt.Sprintf(pick(
		"CREATE TABLE %[1]s (id int PRIMARY KEY, %[3]s %[4]s)", "CREATE TABLE %[1]s (id int PRIMARY KEY, %[3]s %[4]s)", "CREATE TABLE %[1]s (id serial, %[3]s %[4]s)",
		"DROP TABLE %[1]s", "DROP TABLE %[1]s CASCADE", "ALTER TABLE %[1]s ADD COLUMN %[3]s %[4]s", "ALTER TABLE %[1]s DROP COLUMN %[3]s",
		"ALTER TABLE %[1]s RENAME COLUMN %[3]s TO %[5]s", "ALTER TABLE %[1]s RENAME TO %[6]s", "ALTER TABLE %[1]s SET SCHEMA s",
		"CREATE VIEW %[6]s AS SELECT * FROM %[2]s", "CREATE VIEW %[6]s AS SELECT f() AS n, %[3]s FROM %[2]s", "CREATE OR REPLACE VIEW %[1]s AS SELECT * FROM %[2]s",
		"DROP VIEW %[1]s", "CREATE INDEX ON %[1]s (g(id))", "CREATE INDEX %[6]s ON %[2]s (id)", "DROP INDEX %[6]s", "ALTER TABLE %[1]s ADD FOREIGN KEY (id) REFERENCES %[2]s (id) ON DELETE CASCADE",
		"ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY", "ALTER TABLE %[1]s DISABLE ROW LEVEL SECURITY", "CREATE POLICY p ON %[1]s USING (id IN (SELECT id FROM %[2]s))",
		"CREATE POLICY q ON %[1]s USING (g(id) = 1)", "DROP POLICY p ON %[1]s", "DROP POLICY q ON %[1]s", "CREATE TRIGGER tr BEFORE INSERT ON %[1]s FOR EACH ROW EXECUTE FUNCTION tr()",
		"DROP TRIGGER tr ON %[1]s", "ALTER TABLE %[1]s INHERIT %[2]s", "CREATE TABLE %[1]s () INHERITS (%[2]s)", "ALTER TABLE %[1]s NO INHERIT %[2]s",
		"ALTER TABLE %[1]s ALTER COLUMN id SET DEFAULT f()", "ALTER TABLE %[1]s ALTER COLUMN id SET DEFAULT length(set_config('a.b', 'c', false))", "ALTER TABLE %[1]s ALTER COLUMN id DROP DEFAULT",
		"ALTER TABLE %[1]s ADD CONSTRAINT ch CHECK (g(id) > 0)", "ALTER TABLE %[1]s DROP CONSTRAINT ch", "GRANT SELECT ON %[1]s TO updater",
		"REVOKE ALL ON %[1]s FROM updater", "TRUNCATE %[1]s", "CREATE RULE ru AS ON INSERT TO %[1]s DO ALSO SELECT 1", "DROP RULE ru ON %[1]s",
		"ALTER TABLE %[1]s OWNER TO updater", "CREATE SEQUENCE %[6]s", "CREATE MATERIALIZED VIEW %[6]s AS SELECT * FROM %[2]s", "DROP MATERIALIZED VIEW %[6]s CASCADE",
		"CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'", "ALTER TYPE pair ADD ATTRIBUTE z int", "ALTER TYPE pair DROP ATTRIBUTE z",
		"CREATE TABLE %[1]s (id int) PARTITION BY RANGE (id)", "CREATE TABLE %[1]s PARTITION OF %[2]s DEFAULT", "ALTER TABLE %[2]s DETACH PARTITION %[1]s",
		"CREATE DOMAIN dom AS int", "DROP DOMAIN dom", "CREATE FUNCTION s.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || 1'", "DROP FUNCTION s.lower(text)",
		"CREATE FUNCTION abs(%[1]s) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END'", "CREATE FUNCTION s.abs(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7'", "DROP FUNCTION s.abs(int)",
		"ALTER FUNCTION f() STABLE", "ALTER FUNCTION f() RENAME TO h", "ALTER FUNCTION h() RENAME TO f", "CREATE AGGREGATE s.max(int) (SFUNC = g2, STYPE = int)", "DROP AGGREGATE s.max(int)",
		"CREATE OR REPLACE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE public.%[6]s SET id = id; RETURN NEW; END'",
		"CREATE OR REPLACE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id = abs(NEW.id); RETURN NEW; END'",
		"CREATE DOMAIN s.date AS text", "DROP DOMAIN s.date", "CREATE DOMAIN small AS int CHECK (VALUE < 9)", "CREATE DOMAIN s.small AS text", "DROP DOMAIN small", "DROP DOMAIN s.small CASCADE",
		"CREATE TYPE s.text AS ENUM ('x')", "DROP TYPE s.text", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad'", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'first' BEFORE 'sad'",
		"ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'", "CREATE TYPE s.int4 AS (x int)", "DROP TYPE s.int4", "CREATE TYPE span AS RANGE (SUBTYPE = int)", "DROP TYPE span",
		"CREATE SCHEMA z", "CREATE SCHEMA z CREATE TABLE a (id int)", "DROP SCHEMA z", "DROP SCHEMA z CASCADE", "ALTER TABLE %[1]s ENABLE TRIGGER ALL", "ALTER TABLE %[1]s DISABLE TRIGGER ALL",
		"ALTER POLICY p ON %[1]s USING (id > 1)", "ALTER TABLE %[1]s FORCE ROW LEVEL SECURITY", "ALTER TABLE %[1]s ADD COLUMN %[3]s int NOT NULL DEFAULT 3 CHECK (abs(id) >= 0)",
		"ALTER TABLE %[1]s ATTACH PARTITION %[2]s FOR VALUES FROM (0) TO (10)", "ALTER TABLE %[1]s ALTER COLUMN %[3]s TYPE text", "ALTER TABLE %[1]s ADD PRIMARY KEY (id)",
		"CREATE INDEX ON %[1]s (abs(id)) WHERE id > 0", "CREATE INDEX %[6]s ON %[1]s (id)", "ALTER SEQUENCE %[6]s RESTART", "DROP SEQUENCE %[6]s", "DROP VIEW %[1]s CASCADE", "DROP FUNCTION f() CASCADE",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP TYPE mood CASCADE", "CREATE TYPE mood AS ENUM ('sad')",
	), table(), table(), column(), kind(), column(), pick("a", "b", "c", "d", "e"))
}

// describe returns all that c holds, a line for each thing.
func (c *Inventory) describe() string {
	ids := func(all []*relation) (out []uint32) {
		for _, r := range all {
			out = append(out, uint32(r.id))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	trees := func(all ...tree) (out []string) {
		for _, t := range all {
			out = append(out, t.name+"="+t.text)
		}
		slices.Sort(out)
		return out
	}
	spread := func(all []cascade) (out []string) {
		for _, k := range all {
			out = append(out, fmt.Sprint(k.to.id, k.onDelete, k.onUpdate, k.column))
		}
		slices.Sort(out)
		return out
	}
	fired := func(all []trigger) (out []string) {
		for _, t := range all {
			out = append(out, fmt.Sprint(t))
		}
		slices.Sort(out)
		return out
	}
	lines := []string{fmt.Sprint(c.codeOnDDL, c.configures, c.indexCode, c.outside, c.opclass, c.cast, c.castWrites, c.castJSON)}
	for id, r := range c.byID {
		lines = append(lines, fmt.Sprint("relation ", id, r.schema, ".", r.name, string(r.kind), r.temporary, r.rowSecurity, r.owner, r.forced, r.opaque, slices.Sorted(slices.Values(r.unstable)), r.coded,
			r.dates, trees(r.tree), trees(r.policies...), trees(r.generated...), ids(r.children), ids(r.parents), spread(r.affects), fired(r.triggers), ids(r.usedBy),
			c.byName[qualified{r.schema, r.name}] == r, c.rowUses[id]))
	}
	for id, s := range c.standings {
		lines = append(lines, fmt.Sprint("standing ", id, s))
	}
	for id, f := range c.calls {
		lines = append(lines, fmt.Sprint("function ", id, *f))
	}
	for id, code := range c.triggerCode {
		lines = append(lines, fmt.Sprint("trigger ", id, code))
	}
	for id, all := range c.conditions {
		lines = append(lines, fmt.Sprint("condition ", id, trees(all...)))
	}
	for name, n := range c.notation {
		lines = append(lines, fmt.Sprint("notation ", name, n))
	}
	for name, all := range c.types {
		all = slices.Clone(all)
		slices.SortFunc(all, func(a, b namedType) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		lines = append(lines, fmt.Sprint("type ", name, all))
	}
	lines = append(lines, fmt.Sprint(c.operators, c.operations, c.coercions, c.unstable, c.writing))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// firstDifference returns the first lines that differ.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "brought up to date: " + x[i] + "\nloaded anew:        " + y[i]
		}
	}
	return fmt.Sprintf("%d lines and %d", len(x), len(y))
}

func TestLoadInventory_AsksForFunctionsAloneWhereNothingElseHasChanged(t *testing.T) {
	dsn := startPostgres(t)
	admin, conn := connect(t, dsn), connect(t, dsn)
	execSQL(t, admin, "CREATE TABLE t (a int); CREATE TYPE mood AS ENUM ('sad')")
	execSQL(t, conn, SessionSettings)
	known, all := loadInventory(t, conn, nil, nil)
	for sql, names := range map[string][]string{
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'": {"f"}, "CREATE FUNCTION takes(t) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'": {"takes"},
		"CREATE FUNCTION tr() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'": {"tr"}, "CREATE SCHEMA fresh": nil, "ALTER TYPE mood ADD VALUE 'glad'": nil,
	} {
		execSQL(t, admin, sql)
		next, asked := loadInventory(t, conn, known, known.Signs())
		if asked > all/2 {
			t.Errorf("%s: %d questions, and %d for all", sql, asked, all)
		}
		if d := next.DifferenceFrom(known); d.Everything || d.None() || len(d.Relations) > 0 || !slices.Equal(d.Names, names) {
			t.Errorf("%s: got %+v", sql, d)
		}
		known = next
	}
	for _, sql := range []string{"ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'", "CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)", "ALTER FUNCTION lower(text) COST 7", "GRANT USAGE ON SCHEMA fresh TO PUBLIC"} {
		execSQL(t, admin, sql)
		next, _ := loadInventory(t, conn, known, known.Signs())
		if d := next.DifferenceFrom(known); !d.Everything {
			t.Errorf("%s: got %+v", sql, d)
		}
		known = next
	}
}
