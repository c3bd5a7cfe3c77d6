package classify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// sparing are the catalogs of before and after a change, as a role sees them whose path has a schema before that of PostgreSQL's own objects.
type sparing struct {
	*testing.T
	ask         func(sql string) ([][]string, error)
	before, now *Catalog
	difference  Difference
	ddl         string
	touches     []*Touch // nil: it may be anything
	made        verdict.Statement
}

// TestDoubt_WhatIsSparedIsJudgedAndAnsweredAsBefore makes changes at random. What is not in doubt after one must be judged by the catalog of before as by that
// of after, or feared more; and an answer that is another now must go with what the change is said to write, and with what a look finds.
func TestDoubt_WhatIsSparedIsJudgedAndAnsweredAsBefore(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, updatedSchema+"; CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader")
	looking, reader := connect(t, dsn), connect(t, strings.Replace(dsn, "user=postgres", "user=reader", 1))
	execSQL(t, looking, SessionSettings)
	execSQL(t, reader, "SET search_path = s, pg_catalog, public")
	known, _ := loadInventory(t, looking, nil, nil)
	rows, err := askOver(looking)(RightsQuery("reader"))
	if err != nil {
		t.Fatal(err)
	}
	rights, err := ReadRights(rows)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	corpus := sparedCorpus()
	done, touched := 0, 0
	for done < 50 {
		if r.IntN(3) == 0 {
			_, _ = admin.Exec(context.Background(), fmt.Sprintf("INSERT INTO %s (id) VALUES (%d)", []string{"a", "b", "c", "d", "s.a", "s.b"}[r.IntN(6)], r.IntN(9))).ReadAll()
		}
		s := &sparing{T: t, ask: askOver(reader)}
		s.before, _ = known.Seen("s, pg_catalog, public", rights)
		answers := s.answers(corpus)
		writer, _ := known.Seen("public", &Rights{Role: "postgres", Free: true, Usage: map[string]bool{"public": true, "s": true}})
		for range 1 + r.IntN(3) { // without a look in between
			s.make(admin, writer, randomDDL(r))
		}
		if s.ddl == "" {
			continue
		}
		done++
		next, _ := loadInventory(t, looking, known, known.Signs())
		s.now, _ = next.Seen("s, pg_catalog, public", rights)
		s.difference = next.DifferenceFrom(known)
		if s.touches != nil {
			touched++
			s.judgedAlike(corpus)
		}
		if !strings.Contains(s.ddl, "TRUNCATE") {
			s.answeredAlike(answers)
		}
		known = next
	}
	if touched < done/3 {
		t.Errorf("only %d of %d changes were understood", touched, done)
	}
}

// make makes a change, if it succeeds.
func (s *sparing) make(admin *pgconn.PgConn, writer *Catalog, ddl string) {
	made := judge(shapeOf(ddl), 0, writer, 1, s.touches...)
	if _, err := admin.Exec(context.Background(), ddl).ReadAll(); err != nil {
		return
	}
	if made.Touch == nil || s.ddl != "" && s.touches == nil {
		s.touches = nil
	} else {
		s.touches = append(s.touches, made.Touch)
	}
	s.ddl += ddl + ";"
	s.made.Writes, s.made.Names = append(s.made.Writes, made.Writes...), append(s.made.Names, made.Names...)
}

func sparedCorpus() (all []string) {
	for _, table := range []string{"a", "b", "c", "d", "e", "s.a", "s.b", "s.c", "public.a", "date", "public.date"} {
		for _, form := range []string{
			"SELECT id FROM %s", "SELECT * FROM %s", "SELECT count(*), max(id) FROM %s", "SELECT lower(id::text) FROM %s", "SELECT abs(id), date '2020-01-01' FROM %s",
			"INSERT INTO %s (id) VALUES (1)", "UPDATE %s SET id = 1", "DELETE FROM %s", "INSERT INTO %s (id) VALUES (abs(-1))", "SELECT g(id) FROM %s", "TRUNCATE %s", "SELECT x.lower, x.abs FROM %s x",
		} {
			all = append(all, fmt.Sprintf(form, table))
		}
	}
	return append(all, "SELECT lower('ABC')", "SELECT '7'::small", "SELECT '7'::text", "SELECT f()", "SELECT h()", "SELECT '2020-01-01'::date", "SELECT date('2020-01-01')", "SELECT 7::int4", "SELECT int4 '7'",
		"SELECT 'sad'::mood", "SELECT max(n) FROM (VALUES (1), (2)) v (n)", "SELECT NULL::a", "SELECT '[1,2]'::span", "SELECT span(1, 2)")
}

// answers returns what the statements give whose answer may be kept.
func (s *sparing) answers(corpus []string) map[string]string {
	all := map[string]string{}
	for _, sql := range corpus {
		if v := judge(shapeOf(sql), 0, s.before, 1); v.MayBeKept() {
			all[sql] = s.answer(sql)
		}
	}
	return all
}

func (s *sparing) answer(sql string) string {
	rows, err := s.ask(sql + " ORDER BY 1")
	return fmt.Sprint(rows, err)
}

func (s *sparing) judgedAlike(corpus []string) {
	for _, sql := range corpus {
		old, now := judge(shapeOf(sql), 0, s.before, 1, s.touches...), judge(shapeOf(sql), 0, s.now, 1)
		switch {
		case old.Status == verdict.Unsettled:
		case old.MayBeKept() && (!now.MayBeKept() || !slices.Equal(old.Reads, now.Reads) || !slices.Equal(old.Names, now.Names) || !slices.Equal(old.Needs, now.Needs)):
			s.Errorf("%s\n%s: by the catalog of before it is %s and reads %v, by that of now %s (%s) and reads %v", s.ddl, sql, old.Status, old.Reads, now.Status, now.Reason, now.Reads)
		case old.Effect < now.Effect, old.Effect == verdict.EffectRelations && slices.ContainsFunc(now.Writes, func(id verdict.RelationID) bool { return !slices.Contains(old.Writes, id) }):
			s.Errorf("%s\n%s: by the catalog of before it writes %d %v, by that of now %d %v", s.ddl, sql, old.Effect, old.Writes, now.Effect, now.Writes)
		case now.Session&^old.Session&^Calls != 0: // which is only about whether to ask
			s.Errorf("%s\n%s: by the catalog of before it leaves behind %b, by that of now %b", s.ddl, sql, old.Session, now.Session)
		}
	}
}

func (s *sparing) answeredAlike(answers map[string]string) {
	meets := func(v *Verdict, relations, names []verdict.RelationID) bool {
		return slices.ContainsFunc(relations, func(id verdict.RelationID) bool { return slices.Contains(v.Reads, id) }) ||
			slices.ContainsFunc(names, func(id verdict.RelationID) bool { return slices.Contains(v.Names, id) })
	}
	for sql, was := range answers {
		old, now := judge(shapeOf(sql), 0, s.before, 1), judge(shapeOf(sql), 0, s.now, 1)
		is := s.answer(sql)
		if is == was {
			continue
		}
		if s.touches != nil && !meets(old, s.made.Writes, s.made.Names) {
			s.Errorf("%s\n%s: the answer is %s and was %s, but goes with %v %v, and what is written is %v %v", s.ddl, sql, is, was, old.Reads, old.Names, s.made.Writes, s.made.Names)
		}
		if written := s.difference.Written(); now.MayBeKept() && !s.difference.Everything && !meets(old, written.Writes, written.Names) {
			s.Errorf("%s\n%s: the answer is %s and was %s, but goes with %v %v, and what is found is %v %v", s.ddl, sql, is, was, old.Reads, old.Names, written.Writes, written.Names)
		}
	}
}

func shapeOf(sql string) []byte {
	shape, _ := sqlscan.AppendShape(nil, []byte(sql))
	return shape
}
