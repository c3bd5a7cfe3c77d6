package metrics_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A documented metric is a line of docs/metrics.md.
type documented struct {
	kind   string
	labels []string
}

// documentedMetrics reads the table.
func documentedMetrics(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[string]documented)
	words := regexp.MustCompile("`([a-z_]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`overdrive_") {
			continue
		}
		d := documented{kind: strings.TrimSpace(cells[2])}
		for _, m := range words.FindAllStringSubmatch(cells[3], -1) {
			d.labels = append(d.labels, m[1])
		}
		if strings.TrimSpace(cells[4]) == "" {
			t.Errorf("%s has no meaning", cells[1])
		}
		table[strings.Trim(cells[1], " `")] = d
	}
	return table
}

func TestDocs_TableAndScrapeHaveTheSameMetricsTypesAndLabels(t *testing.T) {
	in, url := start(t, "documented")
	load(t, in, "documented")
	p := scrape(t, url)
	table := documentedMetrics(t)
	for name, kind := range p.types {
		if !strings.HasPrefix(name, "overdrive_") {
			continue
		}
		d, there := table[name]
		if !there {
			t.Errorf("%s is not in the table", name)
			continue
		}
		if got := slices.Sorted(maps.Keys(p.labels[name])); d.kind != kind || !slices.Equal(got, slices.Sorted(slices.Values(d.labels))) {
			t.Errorf("%s: the table has %s %v, the scrape %s %v", name, d.kind, d.labels, kind, got)
		}
	}
	for name := range table {
		if _, there := p.types[name]; !there {
			t.Errorf("%s is in the table, and in no scrape", name)
		}
	}
}
