package classify

import (
	"context"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"overdrive/querycache/verdict"

	"github.com/jackc/pgx/v5/pgconn"
)

// corpusSize is how many statements are generated for each role.
const corpusSize = 6000

// Whatever Judge allows, the server's own rewritten tree must allow, too, and read no relation that Judge does not tell of.
func TestJudge_AllowsNothingThatTheServersOwnTreeForbids(t *testing.T) {
	dsn := startPostgres(t)
	admin := connect(t, dsn)
	execSQL(t, admin, schema+guardedSchema+`GRANT ALL ON ALL TABLES IN SCHEMA public, hidden TO app; GRANT USAGE ON SCHEMA hidden TO app;
		GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app`)
	execSQL(t, admin, "ALTER SYSTEM SET log_min_messages = 'panic'")
	execSQL(t, admin, "SELECT pg_reload_conf()")
	for _, role := range []string{"app", "postgres"} {
		dsn := strings.Replace(dsn, "user=postgres", "user="+role, 1)
		c := New(nil)
		c.SetCatalog(loadCatalog(t, connect(t, dsn)), c.Generation())
		s := &shadow{t: t, role: role, classifier: c, lost: map[string]int{}}
		s.connect(dsn)
		g := newGenerator(7)
		n := corpusSize
		if testing.Short() {
			n /= 10
		}
		for range n {
			s.compare(g.statement())
		}
		s.report()
	}
}

// shadow compares verdicts with what the server makes of the statements.
type shadow struct {
	t          *testing.T
	role       string
	classifier *Classifier
	conn       *pgconn.PgConn
	trees      []string // logged since the last statement

	generated, accepted, allowed, unparsed int
	lost                                   map[string]int // by reason: allowed by the tree, not by Judge
}

func (s *shadow) connect(dsn string) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Message == "rewritten parse tree:" {
			s.trees = append(s.trees, n.Detail)
		}
	}
	if s.conn, err = pgconn.ConnectConfig(context.Background(), config); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.conn.Close(context.Background()) })
	execSQL(s.t, s.conn, "SET debug_pretty_print = off; SET client_min_messages = log; SET debug_print_rewritten = on")
}

func (s *shadow) compare(sql string) {
	s.t.Helper()
	s.generated++
	v := s.classifier.Judge([]byte(sql))
	s.trees = nil
	if _, err := s.conn.Prepare(context.Background(), "", sql, nil); err != nil {
		return
	}
	s.accepted++
	if v.Status == verdict.ParseError {
		s.unparsed++
	}
	if len(s.trees) != 1 {
		s.t.Fatalf("%s: the server logged %d trees", sql, len(s.trees))
	}
	status, reason, reads := s.classifier.Catalog().Oracle(s.trees[0])
	switch {
	case v.Status == verdict.Cacheable && status != verdict.Cacheable:
		s.t.Errorf("%s: %s: cacheable, but by the server's tree %s", s.role, sql, reason)
	case v.Status == verdict.Cacheable:
		s.allowed++
		for _, id := range reads {
			if !slices.Contains(v.Reads, id) {
				s.t.Errorf("%s: %s: does not tell of %s", s.role, sql, s.classifier.Catalog().RelationName(id))
			}
		}
	case status == verdict.Cacheable:
		s.lost[quoted.ReplaceAllString(v.Reason, `"…"`)]++
	}
}

var quoted = regexp.MustCompile(`"[^"]*"`)

func (s *shadow) report() {
	s.t.Helper()
	lost := 0
	var reasons []string
	for reason, n := range s.lost {
		lost += n
		reasons = append(reasons, reason)
	}
	s.t.Logf("%s: %d generated, %d accepted by the server, %d allowed; %d refused that the tree allows; %d accepted but not parsed",
		s.role, s.generated, s.accepted, s.allowed, lost, s.unparsed)
	sort.Slice(reasons, func(i, j int) bool { return s.lost[reasons[i]] > s.lost[reasons[j]] })
	for _, reason := range reasons[:min(10, len(reasons))] {
		s.t.Logf("%6d  %s", s.lost[reason], reason)
	}
	if s.accepted < s.generated/2 || s.allowed < s.generated/10 || s.generated-s.allowed < s.generated/10 {
		s.t.Errorf("the corpus is one-sided")
	}
}
