package classify

import "strings"

// settingsOnly lists functions of PostgreSQL that it calls STABLE and whose answer depends on nothing but arguments and
// settings. The settings are in the key of the cache, or a session that changes them is not answered from it, so the
// answers may be kept. Each was looked up in the server's sources; a function that is not here is not allowed, whatever
// the server calls it. Read no clock, no session, no catalog but that of types, no table: that is the rule.
//
// Left out on purpose: age of one argument, timetz and timezone of a time of day (today's date decides on daylight saving
// time), json_to_record, json_populate_record and the like (they read text as any type, which may be a date: 'today'),
// jsonb_path_…_tz (casts to timetz), convert and its kin (conversions of the user's), enum_first and its kin (catalog),
// xml functions, text search functions that read the catalog of dictionaries to show it, everything that takes or gives
// the name of a catalog object.
const settingsOnly = `
# TimeZone
date_part(text, timestamp with time zone)
extract(text, timestamp with time zone)
date_trunc(text, timestamp with time zone)
date_trunc(text, timestamp with time zone, text)
date_add(timestamp with time zone, interval)
date_subtract(timestamp with time zone, interval)
generate_series(timestamp with time zone, timestamp with time zone, interval)
make_timestamptz(integer, integer, integer, integer, integer, double precision)
make_timestamptz(integer, integer, integer, integer, integer, double precision, text)
overlaps(timestamp with time zone, interval, timestamp with time zone, interval)
overlaps(timestamp with time zone, interval, timestamp with time zone, timestamp with time zone)
overlaps(timestamp with time zone, timestamp with time zone, timestamp with time zone, interval)
date(timestamp with time zone)
time(timestamp with time zone)
timestamp(timestamp with time zone)
timestamptz(date)
timestamptz(date, time without time zone)
timestamptz(timestamp without time zone)
timestamptz_pl_interval(timestamp with time zone, interval)
timestamptz_mi_interval(timestamp with time zone, interval)
interval_pl_timestamptz(interval, timestamp with time zone)
in_range(timestamp with time zone, timestamp with time zone, interval, boolean, boolean)
date_lt_timestamptz(date, timestamp with time zone)
date_le_timestamptz(date, timestamp with time zone)
date_eq_timestamptz(date, timestamp with time zone)
date_ge_timestamptz(date, timestamp with time zone)
date_gt_timestamptz(date, timestamp with time zone)
date_ne_timestamptz(date, timestamp with time zone)
timestamptz_lt_date(timestamp with time zone, date)
timestamptz_le_date(timestamp with time zone, date)
timestamptz_eq_date(timestamp with time zone, date)
timestamptz_ge_date(timestamp with time zone, date)
timestamptz_gt_date(timestamp with time zone, date)
timestamptz_ne_date(timestamp with time zone, date)
timestamp_lt_timestamptz(timestamp without time zone, timestamp with time zone)
timestamp_le_timestamptz(timestamp without time zone, timestamp with time zone)
timestamp_eq_timestamptz(timestamp without time zone, timestamp with time zone)
timestamp_ge_timestamptz(timestamp without time zone, timestamp with time zone)
timestamp_gt_timestamptz(timestamp without time zone, timestamp with time zone)
timestamp_ne_timestamptz(timestamp without time zone, timestamp with time zone)
timestamptz_lt_timestamp(timestamp with time zone, timestamp without time zone)
timestamptz_le_timestamp(timestamp with time zone, timestamp without time zone)
timestamptz_eq_timestamp(timestamp with time zone, timestamp without time zone)
timestamptz_ge_timestamp(timestamp with time zone, timestamp without time zone)
timestamptz_gt_timestamp(timestamp with time zone, timestamp without time zone)
timestamptz_ne_timestamp(timestamp with time zone, timestamp without time zone)

# TimeZone, lc_time, lc_numeric, lc_monetary
to_char(bigint, text)
to_char(integer, text)
to_char(numeric, text)
to_char(real, text)
to_char(double precision, text)
to_char(interval, text)
to_char(timestamp with time zone, text)
to_char(timestamp without time zone, text)
to_date(text, text)
to_timestamp(text, text)
to_number(text, text)
money(bigint)
money(integer)
money(numeric)
numeric(money)

# The text of a value: DateStyle, IntervalStyle, TimeZone, extra_float_digits, bytea_output, lc_monetary
concat("any")
concat_ws(text, "any")
format(text)
format(text, "any")
quote_literal(anyelement)
quote_nullable(anyelement)
array_to_string(anyarray, text)
array_to_string(anyarray, text, text)
textanycat(text, anynonarray)
anytextcat(anynonarray, text)

# The text of a value again, and casts to json of the user's, of which asJSON tells
to_json(anyelement)
to_jsonb(anyelement)
row_to_json(record)
row_to_json(record, boolean)
array_to_json(anyarray)
array_to_json(anyarray, boolean)
json_build_array()
json_build_array("any")
json_build_object()
json_build_object("any")
jsonb_build_array()
jsonb_build_array("any")
jsonb_build_object()
jsonb_build_object("any")
json_agg(anyelement)
json_agg_strict(anyelement)
jsonb_agg(anyelement)
jsonb_agg_strict(anyelement)
json_object_agg("any", "any")
json_object_agg_strict("any", "any")
json_object_agg_unique("any", "any")
json_object_agg_unique_strict("any", "any")
jsonb_object_agg("any", "any")
jsonb_object_agg_strict("any", "any")
jsonb_object_agg_unique("any", "any")
jsonb_object_agg_unique_strict("any", "any")

# default_text_search_config
to_tsvector(text)
to_tsvector(json)
to_tsvector(jsonb)
json_to_tsvector(json, jsonb)
jsonb_to_tsvector(jsonb, jsonb)
to_tsquery(text)
plainto_tsquery(text)
phraseto_tsquery(text)
websearch_to_tsquery(text)
ts_headline(text, tsquery)
ts_headline(text, tsquery, text)
ts_headline(json, tsquery)
ts_headline(json, tsquery, text)
ts_headline(jsonb, tsquery)
ts_headline(jsonb, tsquery, text)
ts_match_tt(text, text)
ts_match_tq(text, tsquery)
`

// onSettings holds settingsOnly: a function is found as name(types of its arguments).
var onSettings = func() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(settingsOnly) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all[line] = true
		}
	}
	return all
}()

// asJSON reports whether a function turns values into JSON. It then looks for a cast to json of the user's.
func asJSON(function string) bool {
	return strings.HasPrefix(function, "json") || strings.HasSuffix(function, "_to_json") || function == "to_json" || function == "to_jsonb" ||
		function == "st_asgeojson"
}
