package main

import (
	"fmt"
	"strings"
)

// promise is a figure that was promised of the cache, and what it is compared with.
type promise struct {
	what   string
	mode   string
	target string
	other  string // the target it is compared with; empty: with nothing
	figure func(this, other sample) float64
	limit  float64
	atMost bool // else at least
}

var promises = []promise{
	{"latency of a 60 ms aggregate: direct ÷ hit", modeAggregate, targetCache, "direct", func(this, other sample) float64 {
		return float64(other.P50) / float64(max(this.P50, 1))
	}, 500, false},
	{"statements that reach the server when all clients miss one key together", modeHerd, targetCache, "", func(this, _ sample) float64 {
		return float64(this.Upstream)
	}, 1, true},
	{"processor time per transaction of TPC-B: cache on ÷ off", modeTPCB, targetCache, targetPlain, cpuRatio, 1.03, true},
	{"p99 of a hit: large cache ÷ small", modeMillion, targetMillion, targetCache, func(this, other sample) float64 {
		return float64(this.P99) / float64(max(other.P99, 1))
	}, 2, true},
	{"processor time: hit ÷ Redis GET", modeCached, targetCache, "redis GET", cpuRatio, 1.1, true},
	{"reads by primary key per second: hits ÷ direct", modeCached, targetCache, "direct", func(this, other sample) float64 {
		return this.PerSecond / other.PerSecond
	}, 2, false},
}

func cpuRatio(this, other sample) float64 { return float64(this.CPU) / float64(max(other.CPU, 1)) }

// promisesTable says which of the promises that were measured are kept, as a table. It is empty if none was.
func promisesTable(r *results) string {
	var b strings.Builder
	for _, p := range promises {
		for _, c := range r.cells {
			if c.Mode == p.mode && c.Target == p.target {
				b.WriteString(p.row(r, c))
			}
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n| promise | clients | wanted | measured | kept |\n|---|--:|--:|--:|---|\n" + b.String()
}

func (p *promise) row(r *results, c cell) string {
	got, found := p.measured(r, c)
	if !found {
		return ""
	}
	sign, kept := "≥", "no"
	if p.atMost {
		sign = "≤"
	}
	if got == p.limit || got < p.limit == p.atMost {
		kept = "yes"
	}
	return fmt.Sprintf("| %s | %d | %s %g | %.2f | %s |\n", p.what, c.Clients, sign, p.limit, got, kept)
}

// measured returns the median of the figure over the rounds. Both targets of a round ran one soon after the other: what
// slows the machine down for a while slows both, and their ratio tells less of it than that of their medians.
func (p *promise) measured(r *results, c cell) (figure float64, found bool) {
	these, others := r.samples[c], r.samples[cell{c.Mode, c.Clients, p.other}]
	if p.other == "" {
		others = make([]sample, len(these))
	}
	var figures []float64
	for i := range min(len(these), len(others)) {
		figures = append(figures, p.figure(these[i], others[i]))
	}
	if len(figures) == 0 {
		return 0, false
	}
	return middle(figures, func(f float64) float64 { return f }), true
}
