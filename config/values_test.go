package config

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestSize_ReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "1023": 1023, "1KiB": KiB, "50MiB": 50 * MiB, "1GiB": GiB, "2TiB": 2 * TiB,
	} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
		if got := want.String(); got != text {
			t.Errorf("%d: got %s, want %s", want, got, text)
		}
	}
	for _, text := range []string{"", "MiB", "1MB", "1 .", "1.5GiB", "9223372036854775807KiB", "1KiBB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken for a size", text)
		}
	}
}

func TestDuration_ReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "15s": 15 * time.Second, "10m": 10 * time.Minute, "1h": time.Hour, "1h0m1s": time.Hour + time.Second,
		"1m30s": 90 * time.Second, "2h5m": 125 * time.Minute, "10ms": 10 * time.Millisecond, "1h40m": 100 * time.Minute,
	} {
		var got Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
		if got := Duration(want).String(); got != text {
			t.Errorf("%v: got %s, want %s", want, got, text)
		}
	}
	var seconds Duration
	if err := seconds.UnmarshalText([]byte("60")); err != nil || seconds != Duration(time.Minute) {
		t.Errorf("a bare number: got %v, %v, want 1m", seconds, err)
	}
	if err := seconds.UnmarshalText([]byte("9223372036854775807")); err == nil {
		t.Errorf("%d seconds were taken for a duration", math.MaxInt64)
	}
}

func TestDistance_CountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"listen", "listen", 0}, {"listne", "listen", 1}, {"lisen", "listen", 1},
		{"kitten", "sitting", 3}, {strings.Repeat("x", 1000), "listen", 1000},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
