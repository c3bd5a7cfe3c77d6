package session

import (
	"reflect"
	"testing"
	"time"

	"overdrive/querycache"
)

func TestHintOf_ReadsTheFirstCommentOfItsKind(t *testing.T) {
	age := func(d time.Duration) *time.Duration { return &d }
	for _, tt := range []struct {
		text string
		want *querycache.Hint
	}{
		{"select 1", nil},
		{"/* why */ select 1 /* overdriver: refresh */", nil},
		{"select '/* overdrive: refresh */'", nil},
		{"select 1 -- /* overdrive: refresh */", nil},
		{"select 1 /* overdrive: refresh", nil},
		{"/* overdrive: */ select 1", &querycache.Hint{}},
		{"/*overdrive:refresh*/ select 1", &querycache.Hint{Refresh: true}},
		{"select /* a */ 1 /* OverDrive: No-Cache */ /* overdrive: refresh */", &querycache.Hint{NoCache: true}},
		{"/* overdrive: max_age=5m, swr=10s,tag=scores tag=Live */ select 1",
			&querycache.Hint{MaxAge: age(5 * time.Minute), StaleWhileRevalidate: age(10 * time.Second), Tags: []string{"scores", "Live"}}},
		{"/* overdrive: max_age=30 stale_while_revalidate=0 */ select 1",
			&querycache.Hint{MaxAge: age(30 * time.Second), StaleWhileRevalidate: age(0)}},
		{"/* overdrive: max_age=-1s, max_age=1m5, swr=x, tag=, colour=red, cache, refresh=1 */ select 1",
			&querycache.Hint{Unknown: []string{"max_age=-1s", "max_age=1m5", "swr=x", "tag=", "colour=red", "cache", "refresh=1"}}},
	} {
		if got := HintOf([]byte(tt.text)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
}
