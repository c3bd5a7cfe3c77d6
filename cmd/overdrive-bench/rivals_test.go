package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedianInterval_IsThatOfTheSignTest(t *testing.T) {
	for _, c := range []struct {
		n         int
		low, high float64 // the ranks, from 1, as tables of the sign test have them
	}{{5, math.NaN(), math.NaN()}, {6, 1, 6}, {10, 2, 9}, {20, 6, 15}, {40, 14, 27}} {
		var figures []float64
		for i := range c.n {
			figures = append(figures, float64(c.n-i))
		}
		low, high := medianInterval(figures)
		if low != c.low && !(math.IsNaN(low) && math.IsNaN(c.low)) || high != c.high && !(math.IsNaN(high) && math.IsNaN(c.high)) {
			t.Errorf("of %d figures: %v to %v, want %v to %v", c.n, low, high, c.low, c.high)
		}
	}
}

func TestRivalsTable_PairsTheRounds(t *testing.T) {
	r := newResults()
	for i := range 6 {
		slow := time.Duration(1 + i) // the machine gets slower from round to round, and all with it
		r.add(cell{"simple", 16, targetPlain}, sample{CPU: 102 * slow})
		r.add(cell{"simple", 16, targetPlain + beforeSuffix}, sample{CPU: 100 * slow})
		r.add(cell{"simple", 16, "pgbouncer"}, sample{CPU: 200 * slow})
		r.add(cell{"cached", 16, targetCache}, sample{CPU: 50 * slow})
		r.add(cell{"cached", 16, "redis GET"}, sample{CPU: 40 * slow})
	}
	got := rivalsTable(r)
	for _, want := range []string{
		"| simple | 16 | overdrive | overdrive, before | 1.020 | 1.020 to 1.020 |",
		"| simple | 16 | overdrive | pgbouncer | 0.510 | 0.510 to 0.510 |",
		"| cached | 16 | overdrive (cache) | redis GET | 1.250 | 1.250 to 1.250 |",
	} {
		if !strings.Contains(got, want) || strings.Count(got, "| 16 |") != 3 {
			t.Errorf("got %s, want three lines, one of them %s", got, want)
		}
	}
}
