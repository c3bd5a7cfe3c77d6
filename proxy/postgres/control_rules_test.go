package postgres_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy"
	"overdrive/querycache"
)

// withRules is a change of the usual instance.
func withRules(change func(*querycache.Policy), rules ...querycache.Rule) func(*rig.Options) {
	return func(o *rig.Options) {
		p := o.Databases[0].Cache
		p.Rules = rules
		if change != nil {
			change(p)
		}
	}
}

func pointer[T any](v T) *T { return &v }

func TestControl_ExplainSaysWhichRuleMatched(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_rules", "create table t as select 1 as a; create table u as select 1 as a; create view v as select a from t")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_rules", Size: 1, Caching: true, Options: withRules(nil,
		querycache.Rule{Users: []string{"nobody"}, Enabled: pointer(false)},
		querycache.Rule{Tables: []string{"t"}, MaxAge: pointer(5 * time.Second), Tags: []string{"x", "y"}},
		querycache.Rule{Match: regexp.MustCompile("(?is:from u)"), Enabled: pointer(false)},
	)})
	for _, c := range []struct {
		sql, status string
		rule        int
		text        string
		age         time.Duration
		tags        string
	}{
		{"select a from t", "cacheable", 2, "tables t", 5 * time.Second, "x,y"},
		{"select a from v", "cacheable", 2, "tables t", 5 * time.Second, "x,y"},
		{"select a FROM u", "disabled", 3, `match "(?is:from u)"`, time.Hour, ""},
		{"select 1", "cacheable", 0, "", time.Hour, ""},
		{"/* overdrive: max_age=7s, tag=z, nonsense */ select a from t", "cacheable", 2, "tables t", 7 * time.Second, "x,y,z"},
		{"/* overdrive: no-cache */ select 1", "hint", 0, "", time.Hour, ""},
	} {
		e := explained(t, in, "control_rules", c.sql, false)
		slices.Sort(e.Tags)
		if e.Status != c.status || e.Rule != c.rule || e.RuleText != c.text || e.MaxAge != c.age || strings.Join(e.Tags, ",") != c.tags {
			t.Errorf("%s: got %+v", c.sql, e)
		}
		if strings.Contains(c.sql, "nonsense") && !slices.Equal(e.Ignored, []string{"nonsense"}) {
			t.Errorf("%s: ignored %q", c.sql, e.Ignored)
		}
	}
}

func TestControl_CountsByShapeAndShowsNoConstant(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_counts", "create table t(a int, b text)")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_counts", Size: 1, Caching: true})
	c := in.Connect(t, "control_counts")
	rig.Prime(t, c, "select a from t where b = 'secret1'")
	rig.Ask(t, c, "select a from t where b = 'secret2'")
	rig.Ask(t, c, "select random() from t where b = 'secret3'")
	shape := func(prefix string) proxy.QueryStatus {
		t.Helper()
		for _, q := range in.Queries("control_counts") {
			if strings.Contains(q.Shape, "secret") || strings.Contains(q.Reason, "secret") {
				t.Errorf("a constant is shown: %+v", q)
			}
			if strings.HasPrefix(q.Shape, prefix) {
				return q
			}
		}
		t.Fatalf("no shape %q", prefix)
		return proxy.QueryStatus{}
	}
	read := shape("select a from t")
	if read.Status != "cacheable" || read.Hits < 3 || read.Calls <= read.Hits || read.Entries < 2 || read.Bytes == 0 || read.MeanMiss <= 0 {
		t.Errorf("a read: got %+v", read)
	}
	if random := shape("select random"); random.Status != "volatile" || random.Calls != 1 || !strings.Contains(random.Reason, "random") {
		t.Errorf("a volatile one: got %+v", random)
	}
	if e := explained(t, in, "control_counts", "select a from t where b = 'x'", false); e.Query == nil || e.Query.Hits != read.Hits {
		t.Errorf("explained: got %+v", e.Query)
	}
	stats := in.Caches()[0]
	if stats.Database != "control_counts" || !stats.Enabled || stats.Hits < 3 || stats.Entries < 2 {
		t.Errorf("the cache: got %+v", stats)
	}
}

func TestControl_PurgesByTagAndByQuery(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_tags", "create table t as select 1 as a; create table u as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_tags", Size: 1, Caching: true, Options: withRules(nil,
		querycache.Rule{Tables: []string{"t"}, Tags: []string{"mine"}},
	)})
	c := in.Connect(t, "control_tags")
	print := explained(t, in, "control_tags", "select a from u", false).Query.Fingerprint
	for what, purge := range map[string]proxy.Purge{"select a from t": {Tag: "mine"}, "select a from u": {Query: print}} {
		rig.Prime(t, c, "select a from t")
		rig.Prime(t, c, "select a from u")
		if _, err := in.Purge(t.Context(), "control_tags", purge); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{"select a from t", "select a from u"} {
			want := "hit"
			if sql == what {
				want = "miss"
			}
			rig.Ask(t, c, sql)
			if got := rig.Status(t, c); got != want {
				t.Errorf("%v: %s: got %s, want %s", purge, sql, got, want)
			}
		}
	}
}

func TestControl_ADryRunTellsWhatWouldHit(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "control_dry", "create table t as select 1 as a")
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "control_dry", Size: 1, Caching: true,
		Options: withRules(func(p *querycache.Policy) { p.DryRun = true })})
	c := in.Connect(t, "control_dry")
	rig.Await(t, "an entry of the dry run", func() bool {
		rig.Ask(t, c, "select a from t")
		return in.Caches()[0].DryEntries > 0
	})
	rig.Ask(t, c, "select a from t")
	stats := in.Caches()[0]
	if !stats.DryRun || stats.Hits != 0 || stats.Entries != 0 || stats.WouldHit == 0 {
		t.Errorf("got %+v", stats)
	}
	if e := explained(t, in, "control_dry", "select a from t", false); !e.DryRun || e.Status != "cacheable" {
		t.Errorf("explained: got %+v", e)
	}
}
