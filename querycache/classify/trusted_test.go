package classify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/querycache/verdict"

	"github.com/jackc/pgx/v5/pgconn"
)

// judgedBy has statements judged by the catalog behind conn, and compares the statuses.
func judgedBy(t *testing.T, conn *pgconn.PgConn, trusted []string, want map[string]verdict.Status) {
	t.Helper()
	c := New(nil)
	c.SetCatalog(loadCatalog(t, conn, trusted...), c.Generation())
	for sql, status := range want {
		if v := c.Judge([]byte(sql)); v.Status != status || status == verdict.Cacheable && v.Effect != verdict.EffectNone {
			t.Errorf("%s is %s (%s), effect %d, want %s", sql, v.Status, v.Reason, v.Effect, status)
		}
	}
}

// makeExtensions makes those that the server has, and skips the test where it lacks one.
func makeExtensions(t *testing.T, conn *pgconn.PgConn, names ...string) {
	t.Helper()
	for _, name := range names {
		if len(execSQL(t, conn, "SELECT 1 FROM pg_available_extensions WHERE name = '"+name+"'")[0].Rows) == 0 {
			t.Skipf("the server has no extension %s", name)
		}
		execSQL(t, conn, `CREATE EXTENSION "`+name+`"`)
	}
}

func TestTrusted_FunctionsOfKnownExtensionsCountAsWhatTheyAreDeclaredToBe(t *testing.T) {
	conn := connect(t, startPostgres(t))
	makeExtensions(t, conn, "citext", "pg_trgm", "hstore", "ltree", "unaccent", "pgcrypto", "uuid-ossp", "intarray", "isn")
	execSQL(t, conn, "CREATE TABLE t (a text, c citext, h hstore, l ltree, i int[], n int, b isbn13, at timestamptz)")
	judgedBy(t, conn, nil, map[string]verdict.Status{
		"SELECT replace(a, 'x', 'y'), split_part(a, 'x', 1) FROM t": verdict.Cacheable,
		"SELECT max(c), 'x'::citext = c, c::text FROM t":            verdict.Cacheable,
		"SELECT a FROM t WHERE a % 'x' ORDER BY similarity(a, 'x')": verdict.Cacheable,
		"SELECT n % 2 FROM t": verdict.Cacheable,
		"SELECT h -> 'a', 'a=>1'::hstore, l <@ 'x', unaccent(a) FROM t":                verdict.Cacheable,
		"SELECT digest(a, 'sha1'), uuid_generate_v5(uuid_ns_url(), a), sort(i) FROM t": verdict.Cacheable,
		// What changes by itself, or changes something, is refused all the same.
		"SELECT set_limit(0.5)":                       verdict.Volatile,
		"SELECT show_limit()":                         verdict.Uncacheable,
		"SELECT gen_random_bytes(4)":                  verdict.Volatile,
		"SELECT n FROM t WHERE b = '1'":               verdict.Uncacheable, // whether that is an ISBN depends on isn_weak
		"SELECT n FROM t WHERE n = 1":                 verdict.Cacheable,
		"SELECT (t #= 'at=>now').at FROM t":           verdict.Uncacheable,
		"SELECT populate_record(t, 'at=>now') FROM t": verdict.Uncacheable,
		"SELECT gen_salt('md5') FROM t":               verdict.Volatile,
		"SELECT uuid_generate_v4()":                   verdict.Volatile,
		"SELECT uuid_generate_v1() FROM t":            verdict.Volatile,
	})
}

// Who owns an extension may add functions to it, and need not be a superuser.
func TestTrusted_NoFunctionOfSomebodyElseIsAmongThem(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	makeExtensions(t, admin, "pg_trgm")
	execSQL(t, admin, `CREATE ROLE eve LOGIN; GRANT CREATE ON DATABASE postgres TO eve; GRANT CREATE ON SCHEMA public TO eve; CREATE TABLE t (a text, n int);
		GRANT ALL ON t TO eve`)
	eve := connect(t, strings.Replace(dsn, "user=postgres", "user=eve", 1))
	execSQL(t, eve, `CREATE EXTENSION citext;
		CREATE FUNCTION replace(citext, citext, int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text'; ALTER EXTENSION citext ADD FUNCTION replace(citext, citext, int);
		CREATE FUNCTION strpos(text, text, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN DELETE FROM t; RETURN 1; END'; ALTER EXTENSION citext ADD FUNCTION strpos(text, text, int);
		CREATE FUNCTION add(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN DELETE FROM t; RETURN 1; END';
		CREATE AGGREGATE gather(int) (SFUNC = add, STYPE = int); ALTER EXTENSION citext ADD AGGREGATE gather(int);
		CREATE AGGREGATE latest(timestamptz) (SFUNC = timestamptz_larger, STYPE = timestamptz, INITCOND = 'now'); ALTER EXTENSION citext ADD AGGREGATE latest(timestamptz);
		CREATE FUNCTION similarity(text, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'`)
	judgedBy(t, admin, nil, map[string]verdict.Status{
		"SELECT replace(a, 'x', 'y') FROM t":    verdict.Uncacheable, // which of them is meant is not worked out
		"SELECT strpos(a, 'x', 1) FROM t":       verdict.Uncacheable,
		"SELECT gather(n) FROM t":               verdict.Uncacheable,
		"SELECT latest(NULL) FROM t":            verdict.Uncacheable,
		"SELECT similarity(a, 1) FROM t":        verdict.Uncacheable,
		"SELECT split_part(a, 'x', 1) FROM t":   verdict.Cacheable,
		"SELECT word_similarity(a, 'x') FROM t": verdict.Cacheable,
	})
	execSQL(t, admin, "UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'pg_trgm'")
	judgedBy(t, admin, nil, map[string]verdict.Status{"SELECT word_similarity(a, 'x') FROM t": verdict.Uncacheable})
}

func TestTrusted_OnesOwnFunctionsAreThoseThatTheConfigurationNames(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, `CREATE ROLE eve LOGIN; CREATE SCHEMA app; CREATE SCHEMA other; GRANT ALL ON SCHEMA app TO eve; CREATE TABLE t (n int); CREATE TABLE u (n int);
		CREATE FUNCTION app.net(numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 / 2; END';
		CREATE FUNCTION app.net(numeric, text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 / 2; END';
		CREATE FUNCTION app.count() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM u';
		CREATE FUNCTION other.net(numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 / 2; END'`)
	execSQL(t, connect(t, strings.Replace(dsn, "user=postgres", "user=eve", 1)),
		"CREATE FUNCTION app.mine(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN DELETE FROM t; RETURN 1; END'")
	judgedBy(t, admin, nil, map[string]verdict.Status{"SELECT app.net(n) FROM t": verdict.Uncacheable})
	judgedBy(t, admin, []string{"app.net(numeric)"}, map[string]verdict.Status{
		"SELECT app.net(n) FROM t": verdict.Cacheable, "SELECT app.net(n, 'x') FROM t": verdict.Uncacheable, "SELECT other.net(n) FROM t": verdict.Uncacheable,
	})
	judgedBy(t, admin, []string{"app.*"}, map[string]verdict.Status{
		"SELECT app.net(n, 'x') FROM t": verdict.Cacheable, "SELECT app.count()": verdict.Cacheable, "SELECT app.mine(n) FROM t": verdict.Uncacheable,
	})
	c := New(nil)
	c.SetCatalog(loadCatalog(t, admin, "app.count"), c.Generation())
	v := c.Judge([]byte("SELECT app.count()"))
	if ids := c.Catalog().RelationIDs("public", "u"); len(ids) != 1 || !slices.Contains(v.Reads, ids[0]) {
		t.Errorf("a trusted function that is not IMMUTABLE depends on %v, not on every table", v.Reads)
	}
	for i := range maxTrusting {
		execSQL(t, admin, fmt.Sprintf("CREATE TABLE many%d ()", i))
	}
	judgedBy(t, admin, []string{"app.*"}, map[string]verdict.Status{
		"SELECT app.count()": verdict.Uncacheable, "SELECT app.net(n) FROM t": verdict.Cacheable,
	})
	execSQL(t, admin, "CREATE EXTENSION pg_trgm SCHEMA app")
	judgedBy(t, admin, []string{"app.*"}, map[string]verdict.Status{"SELECT app.similarity('a', 'b') FROM t": verdict.Cacheable})
}

func TestParseFunction_TakesWhatTheDocumentsSay(t *testing.T) {
	for text, want := range map[string]string{
		"app.f": "app f", "app.f(numeric, text)": "app f numeric, text", "app.*": "app *", "app.f()": "app f ", "f": "?", "app.": "?", ".f": "?",
		"app.*(int)": "?", "app.f(": "?", "app.f(int))": "?", "app.f'": "?", `app.f("x')`: "?", "app.f\\": "?", "a b.f": "?", strings.Repeat("a", 64) + ".f": "?",
	} {
		f, err := ParseFunction(text)
		got := f.Schema + " " + f.Name
		if f.Typed {
			got += " " + f.Arguments
		}
		if err != nil {
			got = "?"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestDomains_AreJudgedByTheirConditions(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, `CREATE TABLE t (a text, n int, regs regclass, k text); CREATE SCHEMA far; CREATE TYPE far.mood AS ENUM ('happy');
		CREATE FUNCTION checks(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN DELETE FROM t; RETURN true; END';
		CREATE DOMAIN email AS text CHECK (value ~ '@'); CREATE DOMAIN work_email AS email CHECK (length(value) > 3); CREATE DOMAIN far.positive AS int CHECK (value > 0);
		CREATE DOMAIN timely AS text CHECK (length(value) < extract(year FROM now())); CREATE DOMAIN coded AS text CHECK (checks(value)); CREATE DOMAIN over_coded AS coded;
		CREATE DOMAIN day AS date; CREATE DOMAIN who AS text CHECK (value = current_user); CREATE DOMAIN text2 AS regclass; CREATE DOMAIN over_timely AS timely`)
	judgedBy(t, conn, nil, map[string]verdict.Status{
		"SELECT a::email, a::work_email FROM t":     verdict.Cacheable,
		"SELECT 1::far.positive, 'happy'::far.mood": verdict.Cacheable,
		"SELECT '2020-01-01'::day":                  verdict.Cacheable,
		"SELECT 'today'::day":                       verdict.Volatile,
		"SELECT a::day FROM t":                      verdict.Uncacheable,
		"SELECT a::timely FROM t":                   verdict.Uncacheable,
		"SELECT a::over_timely FROM t":              verdict.Uncacheable,
		"SELECT a::coded FROM t":                    verdict.Uncacheable,
		"SELECT a::over_coded FROM t":               verdict.Uncacheable,
		"SELECT a::who FROM t":                      verdict.Uncacheable,
		"SELECT a::text2 FROM t":                    verdict.Uncacheable,
		"SELECT 1::near.positive":                   verdict.Uncacheable,
	})
}

func TestTouched_AColumnThatIsNotNamedDoesNotCount(t *testing.T) {
	conn := connect(t, startPostgres(t))
	execSQL(t, conn, `CREATE TABLE t (a text, n int, r regclass, z timetz); CREATE TABLE u (a text, r int); CREATE VIEW v AS SELECT a, n FROM t; CREATE VIEW w AS SELECT a, r FROM t;
		CREATE VIEW s AS SELECT a, t AS whole FROM t`)
	want := map[string]verdict.Status{
		"SELECT a, n FROM t": verdict.Cacheable, "SELECT count(*) FROM t": verdict.Cacheable, "SELECT x.a FROM t x WHERE x.n = 1": verdict.Cacheable,
		"SELECT * FROM v": verdict.Cacheable, "SELECT u.* FROM u JOIN t ON t.a = u.a": verdict.Cacheable,
	}
	for _, sql := range []string{"SELECT r FROM t", "SELECT * FROM t", "TABLE t", "SELECT t FROM t", "SELECT x FROM t x", "SELECT row_to_json(x) FROM t x", "SELECT x.* FROM t x",
		"SELECT (x).r FROM t x", "SELECT a FROM t WHERE z > '10:00'", "SELECT a FROM t ORDER BY r", "SELECT t.a FROM t JOIN u USING (r)", "SELECT t.a FROM t NATURAL JOIN u",
		"SELECT b FROM t AS x(q, p, b)", "SELECT a FROM w", "SELECT a FROM s", "SELECT c FROM (SELECT * FROM t) AS x(a, b, c)", "SELECT (SELECT t) FROM t",
		"SELECT a FROM t GROUP BY a, r", "SELECT public.t.r FROM public.t", "SELECT a FROM t WHERE t IS NOT NULL", "SELECT x.a FROM u, LATERAL (SELECT t.* FROM t) x"} {
		want[sql] = verdict.Uncacheable
	}
	judgedBy(t, conn, nil, want)
}
