package classify

import (
	"math/rand/v2"
	"strings"
)

// generator makes SELECT statements over the schemas of the tests, mostly such as the server accepts, some full of traps. The same
// seed makes the same statements.
type generator struct {
	rand  *rand.Rand
	scope []source // FROM items whose columns may be named
	depth int
	names int
	traps int // that this statement may still have
}

// source is a FROM item: its name in the statement and its columns by type.
type source struct {
	name    string
	columns map[string][]string
}

// cols reads "int id,plain_id text name" as columns by type.
func cols(text string) map[string][]string {
	out := map[string][]string{}
	words := strings.Fields(text)
	for i := 0; i+1 < len(words); i += 2 {
		out[words[i]] = strings.Split(words[i+1], ",")
	}
	return out
}

// Relations that a statement may read, and those that it had better not.
var harmlessSources = []source{
	{"plain", cols("int id text name,note ts at num price")},
	{"other", cols("int id,plain_id text at")},
	{"public.plain", cols("int id text name,note ts at num price")},
	{"parted", cols("int id date day")}, {"parted_low", cols("int id date day")},
	{"base", cols("int id")}, {"ONLY base", cols("int id")}, {"derived", cols("int id,more")},
	{"dated_values", cols("date value,upper")}, {"times", cols("time clock")}, {"moody", cols("enum m")},
	{"composed", cols("row c")}, {"unlogged", cols("int id")}, {"matted", cols("int id")}, {"seen", cols("int id")},
	{"seen_twice", cols("int id text at")}, {"dated_view", cols("int id ts at")}, {"text_view", cols("text at")},
	{"seen_stable", cols("text y,c ts date_trunc")}, {"seen_grouped", cols("int id,n")}, {"seen_matted", cols("int id")},
	{"by_role", cols("text who int a")}, {"by_setting", cols("int tenant,a")}, {"by_member", cols("int tenant,a")},
	{"by_guarded", cols("int a")}, {"by_two", cols("int a text who")}, {"over_setting", cols("int tenant,a")},
	{"invoked", cols("text who int a")}, {"top", cols("int a")}, {"member", cols("text who int tenant")},
}

var trapSources = []source{
	{"seen_now", cols("int id")}, {"seen_random", cols("int id")}, {"seen_user", cols("text u")}, {"seen_setting", cols("text u")},
	{"seen_catalog", cols("text relname")}, {"seen_ctid", cols("int id")}, {"seen_locked", cols("int id")}, {"seen_sample", cols("int id")},
	{"seen_cast", cols("date note")}, {"quieter", cols("int quiet")}, {"casting", cols("text name")}, {"over_policed", cols("int id")},
	{"by_clock", cols("ts until")}, {"by_function", cols("int a")}, {"by_schema", cols("int a")}, {"low", cols("int a")},
	{"over_clock", cols("ts until")}, {"pg_class", cols("text relname int relpages")}, {"information_schema.tables", cols("text table_name")},
	{"counter", cols("int last_value")}, {"regs", cols("reg r")}, {"pg_stat_activity", cols("int pid")}, {"hidden.plain", cols("int id")},
	{"plain TABLESAMPLE BERNOULLI (50)", cols("int id")}, {"brief", cols("int id")},
}

// terms are expressions by type; %i stands for one of type int, %t of text, %s of timestamptz, %d of date, %n of numeric, %b of boolean,
// %q for a query in parentheses.
var terms = map[string][]string{
	"int": {"%i + %i", "%i * %i", "- %i", "abs(%i)", "length(%t)", "(%i)", "coalesce(%i, %i)", "CASE WHEN %b THEN %i ELSE %i END", "greatest(%i, %i)",
		"nullif(%i, %i)", "date_part('year', %s)::int", "extract(dow FROM %s)::int", "(%t)::int", "(SELECT max(id) FROM plain)", "(ARRAY[%i, %i])[1]",
		"position(%t IN %t)", "array_length(ARRAY[%i], 1)", "(%d - %d)", "CAST(%n AS int)", "%i % 7", "mod(%i, 3)", "strpos(%t, %t)", "width_bucket(%n, 1, 9, 4)",
		"(('{\"a\": 1}'::jsonb) -> 'a')::int", "ascii(%t)", "cardinality(ARRAY[%i])", "(%b)::int"},
	"text": {"%t || %t", "upper(%t)", "concat(%t, %i, %s)", "to_char(%s, 'YYYY-MM')", "to_char(%i, '999')", "format('%s-%s', %t, %i)", "substring(%t FROM 2)",
		"coalesce(%t, %t)", "%t || %i", "md5(%t)", "replace(%t, 'a', 'b')", "CASE %t WHEN 'a' THEN %t ELSE 'z' END", "(%i)::text", "(%s)::text", "(%d)::text",
		"trim(%t)", "initcap(%t)", "quote_literal(%t)", "split_part(%t, '-', 1)", "left(%t, 3)", "array_to_string(ARRAY[%i, %i], ',')", "to_json(%t)::text",
		"jsonb_build_object('a', %i, 'b', %s)::text", "concat_ws(',', %t, %t)", "lpad(%t, 5)", "(%t COLLATE \"C\")", "row_to_json(ROW(%i, %t))::text",
		"translate(%t, 'a', 'b')", "(%t)::varchar(5)", "regexp_replace(%t, 'a+', 'b')", "to_char(%n, 'FM999')"},
	"ts": {"%s + interval '1 day'", "date_trunc('day', %s)", "(%d)::timestamptz", "coalesce(%s, %s)", "to_timestamp(%i)", "'2020-01-01'::timestamptz",
		"to_timestamp(%t, 'YYYY')", "make_timestamptz(2020, 1, 1, 0, 0, 0)", "%s - interval '2 hours'", "greatest(%s, %s)",
		"(%s AT TIME ZONE 'utc') AT TIME ZONE 'utc'", "(%s AT TIME ZONE 'CET')::timestamptz"},
	"date": {"%d + %i", "DATE '2020-02-02'", "(%s)::date", "to_date(%t, 'YYYY')", "make_date(2020, 1, 1)", "coalesce(%d, %d)", "'2021-03-04'::date", "'epoch'::date"},
	"num":  {"%n + %n", "round(%n, 2)", "%i / 3.0", "(%i)::numeric", "sqrt(%n)::numeric", "extract(epoch FROM %s)", "trunc(%n)", "to_number(%t, '99')", "(%n)"},
	"bool": {"%i = %i", "%i < %i", "%t LIKE 'a%'", "%t = %t", "%s > %s", "%d <= %d", "%d = %s", "%b AND %b", "%b OR %b", "NOT %b", "%i IN (1, 2, %i)", "%i = ANY (ARRAY[1, %i])",
		"EXISTS %q", "%i IN %q", "%t IS NULL", "%i BETWEEN %i AND %i", "%t ~ 'x'", "%i IS DISTINCT FROM %i", "(%i, %t) < (%i, %t)", "%t IN ('a', %t)",
		"%b IS TRUE", "starts_with(%t, 'a')", "%i >= ALL %q", "to_tsvector(%t) @@ plainto_tsquery('x')", "'{\"a\":1}'::jsonb @> '{}'", "%t ILIKE %t", "%n > %n",
		"(%s, %s) OVERLAPS (%s, interval '1 h')", "%s IN (%s, %s)", "%t SIMILAR TO 'a'", "isfinite(%s)"},
}

// trapTerms are the same for what must be refused, or for what looks as if.
var trapTerms = map[string][]string{
	"int": {"pure(%i)", "writes()", "volf(%i)", "quiet(%i)", "in_c(%i)", "opf(%i, %i)", "%i ### %i", "?%% %i", "nextval('counter')::int", "pg_backend_pid()",
		"(%i).volf", "many(%i)", "random()::int", "(7).quiet", "%i::positive", "txid_current()::int", "(SELECT last_value FROM counter)::int", "hidden.upper(1)::int",
		"pg_advisory_lock(1)::text::int", "pg_catalog.random()::int", "date_part('day', now())::int", "length(convert_to(%t, 'utf8'))", "mine(1)::int", "lastval()::int"},
	"text": {"current_user", "session_user::text", "current_setting('app.x', true)", "(%t)::checked", "version()", "timeofday()", "lower(%i)", "current_database()::text",
		"hidden.upper(%i)", "(SELECT relname FROM pg_class LIMIT 1)::text", "'plain'::regclass::text", "pg_typeof(%i)::text", "query_to_xml('SELECT 1', true, true, '')::text",
		"current_schema::text", "enum_first(NULL::mood)::text", "getpgusername()::text", "obj_description(1, 'x')", "'now'::text", "inet_client_addr()::text", "user::text",
		"lower(%t)", "format_type(23, 1)", "has_table_privilege('plain', 'SELECT')::text"},
	"ts": {"now()", "current_timestamp", "clock_timestamp()", "localtimestamp::timestamptz", "statement_timestamp()", "'now'::timestamptz", "(%t)::timestamptz",
		"'today'::timestamptz", "transaction_timestamp()", "(timetz '10:00' AT TIME ZONE 'utc')::text::timestamptz", "($1::text)::timestamptz",
		"(SELECT at FROM seen_twice LIMIT 1)::timestamptz", "'yesterday'", "$3"},
	"date": {"current_date", "'tomorrow'::date", "(%t)::date", "CAST(%t AS date)", "now()::date", "E'tod\\141y'::date", "date(%t)", "to_json(%t)::text::date"},
	"num":  {"random()::numeric", "extract(epoch FROM age(%s))", "pg_relation_size('plain')::numeric", "mine(1)::int::numeric"},
	"bool": {"random() < 0.5", "%i ### %i = 1", "pg_try_advisory_lock(1)", "pg_has_role('app', 'member')", "row_security_active('by_role')", "pg_is_in_recovery()", "mine(%i)",
		"%t = current_user", "%s > now()", "'happy'::mood = 'sad'", "%d > 'today'", "pg_sleep(0) IS NULL", "checks(%t)", "%s < 'now'"},
}
