package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cell is a row of the table.
type cell struct {
	Mode    string `json:"mode"`
	Clients int    `json:"clients"`
	Target  string `json:"target"`
}

// results has every sample, and the cells in the order in which they came first.
type results struct {
	cells   []cell
	samples map[cell][]sample
}

func newResults() *results { return &results{samples: make(map[cell][]sample)} }

func (r *results) add(c cell, s sample) {
	if _, found := r.samples[c]; !found {
		r.cells = append(r.cells, c)
	}
	r.samples[c] = append(r.samples[c], s)
}

// median returns the medians of c's samples, each figure for itself, and whether there are any.
func (r *results) median(c cell) (sample, bool) {
	s := r.samples[c]
	if len(s) == 0 {
		return sample{}, false
	}
	return sample{
		PerSecond: middle(s, func(s sample) float64 { return s.PerSecond }),
		P50:       middle(s, func(s sample) time.Duration { return s.P50 }),
		P99:       middle(s, func(s sample) time.Duration { return s.P99 }),
		CPU:       middle(s, func(s sample) time.Duration { return s.CPU }),
		Upstream:  middle(s, func(s sample) int64 { return s.Upstream }),
	}, true
}

// middle returns the median of one figure; of an even number it is the lower of the two in the middle.
func middle[S any, T cmp.Ordered](samples []S, figure func(S) T) T {
	var all []T
	for _, s := range samples {
		all = append(all, figure(s))
	}
	slices.Sort(all)
	return all[(len(all)-1)/2]
}

// report prints the table and writes it, with the raw samples, to files.
func report(r *results, opts options) error {
	if err := os.MkdirAll(opts.out, 0o755); err != nil {
		return err
	}
	stamp := time.Now().UTC().Format("20060102T150405Z")
	table, err := os.Create(filepath.Join(opts.out, stamp+".md"))
	if err != nil {
		return err
	}
	defer table.Close()
	if err := writeTable(io.MultiWriter(os.Stdout, table), r, opts); err != nil {
		return err
	}
	type row struct {
		cell
		Samples []sample `json:"samples"`
	}
	var rows []row
	for _, c := range r.cells {
		rows = append(rows, row{c, r.samples[c]})
	}
	raw, err := json.MarshalIndent(rows, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(opts.out, stamp+".json"), raw, 0o644)
}

func writeTable(w io.Writer, r *results, opts options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d processors, %s, medians of %d rounds of %v, scale %d, pool %d\n\n",
		runtime.NumCPU(), processor(), opts.rounds, opts.duration, opts.scale, opts.pool)
	b.WriteString("| workload | clients | target | per second | p50 µs | p99 µs | CPU µs | per second ÷ direct | CPU ÷ PgBouncer | CPU ÷ Redis |\n")
	b.WriteString("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, mode := range opts.modes {
		for _, clients := range opts.clientsOf(mode) {
			for _, c := range r.cells {
				if c.Mode == mode && c.Clients == clients {
					b.WriteString(tableRow(r, c))
				}
			}
		}
	}
	b.WriteString(promisesTable(r))
	b.WriteString(rivalsTable(r))
	_, err := io.WriteString(w, b.String())
	return err
}

func tableRow(r *results, c cell) string {
	s, _ := r.median(c)
	beside := func(figure func(sample) float64, targets ...string) string {
		for _, name := range targets {
			other, found := r.median(cell{c.Mode, c.Clients, name})
			if found && name != c.Target && figure(s) != 0 && figure(other) != 0 {
				return fmt.Sprintf("%.2f", figure(s)/figure(other))
			}
		}
		return ""
	}
	perSecond := func(s sample) float64 { return s.PerSecond }
	cpu := func(s sample) float64 { return float64(s.CPU) }
	us := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f", float64(d)/float64(time.Microsecond))
	}
	return fmt.Sprintf("| %s | %d | %s | %.0f | %s | %s | %s | %s | %s | %s |\n", c.Mode, c.Clients, c.Target, s.PerSecond,
		us(s.P50), us(s.P99), us(s.CPU), beside(perSecond, "direct"), beside(cpu, "pgbouncer", "pgbouncer (session)"),
		beside(cpu, "redis GET"))
}

// processor returns the processor's name, as far as the system tells it.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
