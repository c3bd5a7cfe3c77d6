package metrics_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// An expression is one of PromQL in the examples.
type expression struct {
	where, text string
	legend      string // labels in it are between braces
}

// examples are all expressions of the dashboard and the rules.
func examples(t *testing.T) []expression {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	unmarshal(t, "../../../examples/grafana/overdrive.json", json.Unmarshal, &dashboard)
	var all []expression
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, target.Expr, target.LegendFormat})
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			all = append(all, expression{where: "variable " + v.Name, text: v.Definition})
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	unmarshal(t, "../../../examples/prometheus/overdrive.rules.yml", yaml.Unmarshal, &rules)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			legend := strings.ReplaceAll(strings.Join(slices.Sorted(maps.Values(r.Annotations)), " "), "$labels.", "")
			all = append(all, expression{"alert " + r.Alert, r.Expr, legend})
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d expressions were found", len(all))
	}
	return all
}

func unmarshal(t *testing.T, path string, read func([]byte, any) error, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = read(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Parts of an expression, which is taken apart just as far as is needed to find metrics and labels.
var (
	selector  = regexp.MustCompile(`\{[^{}]*\}`)
	matcher   = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	grouping  = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)`)
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	duration  = regexp.MustCompile(`\[[^\]]*\]`)
	metric    = regexp.MustCompile(`\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b\s*(\(|\{[^{}]*\})?`)
	word      = regexp.MustCompile(`[a-z_]+`)
	legendary = regexp.MustCompile(`\{\{\s*([a-z_]+)\s*\}\}`)
	operators = []string{"and", "or", "unless", "bool", "offset"}
)

// use is what an expression has of one metric.
type use struct {
	name     string
	matchers [][]string // label, operator, value
}

// read finds what an expression uses, and the labels that it groups by.
func (e expression) read() (uses []use, grouped []string) {
	text := e.text
	if inside, ok := strings.CutPrefix(text, "label_values("); ok { // Grafana's own
		inside = strings.TrimSuffix(inside, ")")
		at := strings.LastIndex(inside, ",")
		grouped = append(grouped, strings.TrimSpace(inside[at+1:]))
		text = inside[:at]
	}
	text = duration.ReplaceAllString(text, "")
	for _, m := range grouping.FindAllStringSubmatch(text, -1) {
		grouped = append(grouped, word.FindAllString(m[2], -1)...)
	}
	text = grouping.ReplaceAllString(text, "")
	for _, m := range metric.FindAllStringSubmatch(hide(text), -1) {
		if m[2] != "(" && !slices.Contains(operators, m[1]) {
			uses = append(uses, use{name: m[1]})
		}
	}
	found := selector.FindAllString(text, -1)
	for i := range uses {
		name := uses[i].name
		if at := strings.LastIndex(name, hidden); at >= 0 {
			n := 0
			fmt.Sscan(name[at+len(hidden):], &n)
			uses[i].name = name[:at]
			for _, m := range matcher.FindAllStringSubmatch(found[n], -1) {
				uses[i].matchers = append(uses[i].matchers, m[1:])
			}
		}
	}
	return uses, grouped
}

// hidden stands, with a number, in place of what is between braces.
const hidden = "__selector__"

// hide puts the numbers of selectors in their places, so that no word of them is taken for a metric.
func hide(text string) string {
	n := -1
	text = selector.ReplaceAllStringFunc(text, func(string) string { n++; return fmt.Sprint(hidden, n) })
	return quoted.ReplaceAllString(text, "")
}

func TestExpression_IsTakenApart(t *testing.T) {
	uses, grouped := expression{text: `histogram_quantile(0.99, sum by (le, a) (rate(x_bucket{k="v",l=~"a|(b)"}[5m]))) > 0.5 and on (z) y_total or up`}.read()
	want := `[{x_bucket [[k = v] [l =~ a|(b)]]} {y_total []} {up []}] [le a z]`
	if got := fmt.Sprint(uses, grouped); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// Prometheus' own, and labels that it adds.
var (
	ofPrometheus = []string{"up"}
	addedLabels  = []string{"instance", "job"}
)

func TestExamples_AskForMetricsLabelsAndValuesThatThereAre(t *testing.T) {
	in, url := start(t, "examples")
	load(t, in, "examples")
	p := scrape(t, url)
	for _, e := range examples(t) {
		uses, grouped := e.read()
		if len(uses) == 0 {
			t.Errorf("%s asks for nothing: %s", e.where, e.text)
		}
		known := slices.Clone(addedLabels)
		for _, u := range uses {
			labels := checkUse(t, p, e, u)
			known = append(known, labels...)
		}
		for _, label := range grouped {
			if !slices.Contains(known, label) {
				t.Errorf("%s groups by %q, which none of its metrics has", e.where, label)
			}
		}
		for _, m := range legendary.FindAllStringSubmatch(e.legend, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: its legend names %q, which none of its metrics has", e.where, m[1])
			}
		}
	}
}

// checkUse checks the use of one metric, and returns its labels.
func checkUse(t *testing.T, p page, e expression, u use) []string {
	t.Helper()
	if slices.Contains(ofPrometheus, u.name) {
		return nil
	}
	name, labels := u.name, []string(nil)
	if base, ok := strings.CutSuffix(u.name, "_bucket"); ok && p.types[base] == "histogram" {
		name, labels = base, []string{"le"}
	} else if kind := p.types[name]; kind == "" || kind == "histogram" {
		t.Errorf("%s asks for %s, which no scrape has", e.where, u.name)
		return nil
	}
	labels = slices.AppendSeq(labels, maps.Keys(p.labels[name]))
	for _, m := range u.matchers {
		label, value := m[0], m[2]
		switch {
		case slices.Contains(addedLabels, label):
		case !slices.Contains(labels, label):
			t.Errorf("%s: %s has no label %q", e.where, u.name, label)
		case strings.HasPrefix(value, "$") || label == "sqlstate_class": // a variable; a class that has had no error is not shown
		default:
			for word := range strings.SplitSeq(value, "|") {
				if !p.has(name, label, word) {
					t.Errorf("%s: no %s has %s=%q", e.where, u.name, label, word)
				}
			}
		}
	}
	return labels
}

// has says whether a series of the metric has the label with the value.
func (p page) has(name, label, value string) bool {
	for series := range p.values {
		if strings.HasPrefix(series, name) && strings.Contains(series, label+`="`+value+`"`) {
			return true
		}
	}
	return false
}
