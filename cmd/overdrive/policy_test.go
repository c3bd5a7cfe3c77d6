package main

import (
	"reflect"
	"testing"
	"time"

	"overdrive/config"
	"overdrive/querycache"
)

func TestCachePolicy_TakesOverEveryKey(t *testing.T) {
	cfg, problems := config.Load(config.Options{File: file(t, "o.yaml", `
auth: {users: {app: secret}}
databases:
  shop:
    url: postgres://app:x@db/shop
    cache:
      dry_run: true
      max_age: 2m
      stale_while_revalidate: 3s
      max_result: 4MiB
      min_memory: 5MiB
      rules:
        - {tables: [a, s.b], match: "from X", fingerprints: [00000000000000ff], users: [app], enabled: false, tags: [t]}
        - {max_age: 6s, stale_while_revalidate: 0}
`)})
	if problems != nil {
		t.Fatal(problems)
	}
	db := cfg.Databases["shop"]
	got, err := cachePolicy(&db.Cache, 1)
	if err != nil {
		t.Fatal(err)
	}
	if match := got.Rules[0].Match; match == nil || !match.MatchString("select 1 FROM x") {
		t.Errorf("match: got %v", match)
	}
	got.Rules[0].Match = nil
	off, six, zero := false, 6*time.Second, time.Duration(0)
	want := &querycache.Policy{
		Enabled: true, DryRun: true, MaxAge: 2 * time.Minute, StaleWhileRevalidate: 3 * time.Second, MaxResult: 4 << 20,
		Floor: 5 << 20,
		Rules: []querycache.Rule{
			{Tables: []string{"a", "s.b"}, Fingerprints: []uint64{255}, Users: []string{"app"}, Enabled: &off, Tags: []string{"t"}},
			{MaxAge: &six, StaleWhileRevalidate: &zero},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestFloorShare_IsAQuarterSharedByTheUpstreams(t *testing.T) {
	cfg, problems := config.Load(config.Options{File: file(t, "o.yaml", `
auth: {users: {app: secret}}
cache: {memory: 80MiB}
databases:
  one: {url: "postgres://app:x@db/one"}
  alias: {url: "postgres://app:x@db/one"}
  two: {url: "postgres://app:x@db/two"}
`)})
	if problems != nil {
		t.Fatal(problems)
	}
	if got, want := floorShare(cfg), int64(10<<20); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	db := cfg.Databases["one"]
	if p, err := cachePolicy(&db.Cache, floorShare(cfg)); err != nil || p.Floor != 10<<20 {
		t.Errorf("got %+v, %v", p, err)
	}
}
