package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// beforeSuffix ends the names of the targets that run the program given by -before.
const beforeSuffix = ", before"

// rivalsTable compares the processor time of a transaction with that of the program before, of PgBouncer and of Redis, as a table.
// Both run in each round, one soon after the other, so each round gives one ratio. The table is empty if there is nobody to compare with.
func rivalsTable(r *results) string {
	var b strings.Builder
	for _, c := range r.cells {
		if !strings.HasPrefix(c.Target, targetPlain) || strings.HasSuffix(c.Target, beforeSuffix) {
			continue
		}
		for _, rival := range []string{c.Target + beforeSuffix, "pgbouncer", "pgbouncer (session)", "redis GET"} {
			b.WriteString(rivalRow(r, c, rival))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n| workload | clients | target | beside | CPU ÷ its | 95 % interval |\n|---|--:|---|---|--:|--:|\n" + b.String()
}

func rivalRow(r *results, c cell, rival string) string {
	theirs := r.samples[cell{c.Mode, c.Clients, rival}]
	var ratios []float64
	for i := range min(len(theirs), len(r.samples[c])) {
		if theirs[i].CPU > 0 {
			ratios = append(ratios, cpuRatio(r.samples[c][i], theirs[i]))
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	low, high := medianInterval(ratios)
	return fmt.Sprintf("| %s | %d | %s | %s | %.3f | %s |\n", c.Mode, c.Clients, c.Target, rival,
		middle(ratios, func(f float64) float64 { return f }), interval(low, high))
}

func interval(low, high float64) string {
	if math.IsNaN(low) {
		return "too few rounds"
	}
	return fmt.Sprintf("%.3f to %.3f", low, high)
}

// medianInterval returns an interval that holds the true median of the figures with a probability of at least 95 %. It is
// the one of the sign test: each figure is as likely above the median as below, and nothing else is assumed. It takes six
// figures at least; with fewer, both bounds are NaN.
func medianInterval(figures []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	// outside is the probability that at most k of n fair coins show heads.
	outside, ways, k := 0.0, 1.0, -1
	for outside+ways*math.Pow(0.5, float64(n)) <= 0.025 {
		outside += ways * math.Pow(0.5, float64(n))
		k++
		ways *= float64(n-k) / float64(k+1)
	}
	if k < 0 {
		return math.NaN(), math.NaN()
	}
	return sorted[k], sorted[n-1-k]
}
