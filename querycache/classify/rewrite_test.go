package classify

import (
	"reflect"
	"testing"

	"overdrive/querycache/sqlscan"
)

func shapeText(sql string) string {
	shape, _ := sqlscan.AppendShape(nil, []byte(sql))
	return string(shape)
}

func TestGeneric_MakesParametersOfConstants(t *testing.T) {
	for sql, want := range map[string]string{
		"select a from t where b = 'x' and c in (1, 2)":                  "select a from t where b = $1 and c in ( $2 , $3 )",
		"select a from t where b = $2 and c = 7":                         "select a from t where b = $2 and c = $3",
		"select a from t where b > -5 order by 1, 2 desc limit 10":       "select a from t where b > $1 order by 1 , 1 desc limit $2",
		"select a - 1 from t group by 1 having count(*) > 3":             "select a - $1 from t group by 1 having count ( * ) > $2",
		"select a from t where d > date '2020-01-01' - interval '1 day'": "select a from t where d > $1 :: date - $2 :: interval",
		"select cast(a as numeric(10, 2)), b::varchar(5) from t":         "select cast ( a as numeric ( 1 , 1 ) ) , b :: varchar ( 1 ) from t",
		`select "A'b" from t where x = E'q\''`:                           `select "A'b" from t where x = $1`,
	} {
		if got, ok := Generic(shapeText(sql)); got.Text != want || !ok {
			t.Errorf("%s:\n got %s\nwant %s", sql, got.Text, want)
		}
	}
	if _, ok := Generic("select 1 ; drop table t"); ok {
		t.Error("two statements were taken for one")
	}
}

func TestClockless_MakesParametersOfTheClock(t *testing.T) {
	for sql, want := range map[string]string{
		"select a from t where b > now() - interval '1 hour' and c < now()": "select a from t where b > $1 :: timestamptz - interval 's' and c < $1 :: timestamptz",
		"select a from t where b = current_date and c = $1":                 "select a from t where b = $2 :: date and c = $1",
		"select a as now from t":                                            "",
		"select random() from t":                                            "",
		"select x.now() from t":                                             "",
	} {
		if got, ok := Clockless(shapeText(sql)); ok != (want != "") || ok && got.Text != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got.Text, want)
		}
	}
}

func TestBatched_AsksForManyAtOnce(t *testing.T) {
	for sql, want := range map[string]string{
		"select a from t where t.id = 5":                                   "select a from t where t . id = any ( $1 )",
		"select a from t where id = $1 and b > 1":                          "select a from t where id = any ( $1 ) and b > 1",
		"select a from t where id = 5 limit 1":                             "",
		"select a from t where id = 5 and b = 6":                           "",
		"select a from t where id = 5 for update":                          "",
		"select a from t where id = 5 or c":                                "",
		"update t set a = 1 where id = 5":                                  "",
		"select count(*) from t where b in (select id from u where a = 3)": "",
		"select a from t where id = $1::numeric":                           "select a from t where id = any ( $1 :: numeric [] )",
		"select a from t where id = $1::text and b > 1 order by a":         "select a from t where id = any ( $1 :: text [] ) and b > 1 order by a",
		"select a from t where id = $1::char(8)":                           "",
		"select a from t where id = $1::text::name":                        "",
		"select a from t where id = $1::int + 1":                           "",
		"select a from t where id = 5 + b":                                 "",
		"select a from t where b + id = 5":                                 "",
		"select a from t where b = case when id = $1 then 1 else 2 end":    "",
		"select count(*) from t where id = $1":                             "",
		"select a, row_number() over () from t where id = $1":              "",
		"select a from t where id = 5 offset 1":                            "",
		"select a from t where id = 5 intersect select a from u":           "",
		"select a from s.t join u using (id) where s.t.id = $1":            "select a from s . t join u using ( id ) where s . t . id = any ( $1 )",
	} {
		if got, _, ok := Batched(shapeText(sql)); ok != (want != "") || ok && got.Text != want {
			t.Errorf("%s:\n got %s\nwant %s", sql, got.Text, want)
		}
	}
}

func TestEqualities_ReadWhatExplainWrites(t *testing.T) {
	for filter, want := range map[string][]Equality{
		"(t.customer = $1)": {{"customer", false}},
		"(((t.name)::text = ($1)::text) AND (t.a = 5) AND (t.b > 3))": {{"name", true}, {"a", false}},
		"(t.a = ANY ($1))":              {{"a", false}},
		"($1 = t.a)":                    {{"a", false}},
		"((t.a = $1) OR (t.b = $2))":    nil,
		"(NOT (t.a = $1))":              nil,
		"(t.a = t.b)":                   nil,
		"(lower(t.a) = $1)":             nil,
		"(t.a = (InitPlan 1).col1)":     nil,
		`(t."Odd ""name" = 'x'::text)`:  {{`Odd "name`, false}},
		"((t.a)::numeric = $1)":         nil,
		"; drop table x":                nil,
		"(t.status = 's'::status_kind)": {{"status", false}},
	} {
		if got := Equalities(filter); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", filter, got, want)
		}
	}
}
