package querycache

import (
	"reflect"
	"testing"
	"time"
)

func TestHintOf_ReadsTheFirstCommentOfItsKind(t *testing.T) {
	for _, tt := range []struct {
		text string
		want *Hint
	}{
		{"select 1", nil},
		{"/* why */ select 1 /* overdriver: refresh */", nil},
		{"select '/* overdrive: refresh */'", nil},
		{"select 1 -- /* overdrive: refresh */", nil},
		{"select 1 /* overdrive: refresh", nil},
		{"/* overdrive: */ select 1", &Hint{}},
		{"/*overdrive:refresh*/ select 1", &Hint{Refresh: true}},
		{"select /* a */ 1 /* OverDrive: No-Cache */ /* overdrive: refresh */", &Hint{NoCache: true}},
		{"/* overdrive: max_age=5m, swr=10s,tag=scores tag=Live */ select 1",
			&Hint{MaxAge: ptr(5 * time.Minute), StaleWhileRevalidate: ptr(10 * time.Second), Tags: []string{"scores", "Live"}}},
		{"/* overdrive: max_age=30 stale_while_revalidate=0 */ select 1",
			&Hint{MaxAge: ptr(30 * time.Second), StaleWhileRevalidate: ptr(time.Duration(0))}},
		{"/* overdrive: max_age=-1s, max_age=1m5, swr=x, tag=, colour=red, cache, refresh=1 */ select 1",
			&Hint{Unknown: []string{"max_age=-1s", "max_age=1m5", "swr=x", "tag=", "colour=red", "cache", "refresh=1"}}},
	} {
		if got := HintOf([]byte(tt.text)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
}

func TestHintOf_LooksAtAFewWordsOnly(t *testing.T) {
	text := []byte("/* overdrive:")
	for range 1000 {
		text = append(text, " tag=x"...)
	}
	h := HintOf(append(text, " */"...))
	if len(h.Tags) != maxHintWords || len(h.Unknown) != 1 {
		t.Errorf("%d tags, %d unknown", len(h.Tags), len(h.Unknown))
	}
}
