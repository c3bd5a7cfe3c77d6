package traffic

import (
	"testing"
	"time"
)

func TestWitness_IsToldOfWhatItWatches(t *testing.T) {
	sampled, other := Parent{Trace: [16]byte{1}, Sampled: true}, Parent{Trace: [16]byte{1}}
	for _, c := range []struct {
		what         string
		slow         time.Duration
		share        float64
		of           Testimony
		slowTold     bool
		traced, told int
	}{
		{"nothing", 0, -1, Testimony{Took: time.Hour, Parent: sampled}, false, 0, 0},
		{"slow, and it is", time.Second, -1, Testimony{Took: time.Second}, true, 0, 1},
		{"slow, and it is not", time.Second, -1, Testimony{Took: time.Second - 1}, false, 0, 0},
		{"traces, none drawn", 0, 0, Testimony{}, false, 0, 0},
		{"traces, all drawn", 0, 1, Testimony{}, false, 1, 1},
		{"traces, sampled by the client", 0, 0, Testimony{Parent: sampled}, false, 1, 1},
		{"traces, not sampled by the client", 0, 1, Testimony{Parent: other}, false, 0, 0},
		{"both", time.Second, 1, Testimony{Took: time.Minute}, true, 1, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			var told []*Testimony
			w := NewWitness(func(of *Testimony) { told = append(told, of) })
			w.Watch(c.slow, c.share)
			if awake := c.slow > 0 || c.share >= 0; w.Awake() != awake {
				t.Errorf("awake: %v, want %v", w.Awake(), awake)
			}
			w.Tell(&c.of)
			if len(told) != c.told || c.told > 0 && (told[0].Slow != c.slowTold || told[0].Traced != (c.traced > 0)) {
				t.Errorf("told %+v", told)
			}
		})
	}
	if (*Witness)(nil).Awake() {
		t.Error("nobody is awake")
	}
}

func TestWitness_DrawsItsShare(t *testing.T) {
	n := 0
	w := NewWitness(func(*Testimony) { n++ })
	w.Watch(0, 0.25)
	for range 10_000 {
		w.Tell(&Testimony{})
	}
	if n < 2000 || n > 3000 {
		t.Errorf("%d of 10,000 were drawn, want about 2,500", n)
	}
}
