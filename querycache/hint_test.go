package querycache

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func TestParseHint_ReadsEachWord(t *testing.T) {
	for _, tt := range []struct {
		words string
		want  Hint
	}{
		{"", Hint{}},
		{" ", Hint{}},
		{"refresh", Hint{Refresh: true}},
		{" No-Cache ", Hint{NoCache: true}},
		{" max_age=5m, swr=10s,tag=scores\ttag=Live\n",
			Hint{MaxAge: ptr(5 * time.Minute), StaleWhileRevalidate: ptr(10 * time.Second), Tags: []string{"scores", "Live"}}},
		{" max_age=30 stale_while_revalidate=0 ",
			Hint{MaxAge: ptr(30 * time.Second), StaleWhileRevalidate: ptr(time.Duration(0))}},
		{" max_age=-1s, max_age=1m5, swr=x, tag=, colour=red, cache, refresh=1 ",
			Hint{Unknown: []string{"max_age=-1s", "max_age=1m5", "swr=x", "tag=", "colour=red", "cache", "refresh=1"}}},
	} {
		if got := *ParseHint([]byte(tt.words)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", tt.words, got, tt.want)
		}
	}
}

func TestParseHint_LooksAtAFewWordsOnly(t *testing.T) {
	h := ParseHint(bytes.Repeat([]byte(" tag=x"), 1000))
	if len(h.Tags) != maxHintWords || len(h.Unknown) != 1 {
		t.Errorf("%d tags, %d unknown", len(h.Tags), len(h.Unknown))
	}
}
