package metrics_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/admin/metrics"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }

// A page is what one scrape found.
type page struct {
	types  map[string]string          // of metrics, by name
	labels map[string]map[string]bool // by metric; those that the format adds are left out
	values map[string]float64         // by series, as it is written
}

var (
	typeLine   = regexp.MustCompile(`^# TYPE (\S+) (\S+)$`)
	seriesLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
	suffix     = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// scrape asks as Prometheus does that knows the text format only.
func scrape(t *testing.T, url string) page {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v\n%s", response.Status, err, body)
	}
	p := page{types: make(map[string]string), labels: make(map[string]map[string]bool), values: make(map[string]float64)}
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if m := typeLine.FindStringSubmatch(line); m != nil {
			p.types[m[1]], p.labels[m[1]] = m[2], make(map[string]bool)
		}
		m := seriesLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[1]
		if _, known := p.types[name]; !known {
			name = suffix.ReplaceAllString(name, "")
		}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			if pair[1] != "le" && pair[1] != "quantile" {
				p.labels[name][pair[1]] = true
			}
		}
		if p.values[m[1]+"{"+m[2]+"}"], err = strconv.ParseFloat(m[3], 64); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return p
}

// start runs a proxy with a cache in front of a database of its own, and serves its metrics.
func start(t *testing.T, database string) (in *rig.Instance, url string) {
	t.Helper()
	pg := rig.NewDatabase(t, database, "create table t(a int primary key, b int); insert into t select i, i from generate_series(1, 100) i")
	in = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: database, Size: 2, Caching: true, Options: new(rig.Captured).Capture})
	return in, serve(t, in, func() metrics.Program {
		return metrics.Program{Reloads: 2, Failed: 1, LastFailed: true, Loaded: time.Unix(1e9, 0)}
	})
}

func serve(t *testing.T, in *rig.Instance, program func() metrics.Program) (url string) {
	t.Helper()
	h, err := metrics.NewHandler(metrics.Options{Proxy: in.Proxy, Loops: in.Server, Version: "1.2.3", Program: program}, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// load has clients do a little of everything.
func load(t *testing.T, in *rig.Instance, database string) {
	t.Helper()
	c := in.Connect(t, database)
	rig.Await(t, "a hit", func() bool {
		rig.Ask(t, c, "select b from t where a = 7")
		return rig.Status(t, c) == "hit"
	})
	for i := range 50 {
		rig.Ask(t, c, fmt.Sprintf("update t set b = b + 1 where a = %d", i))
		rig.Ask(t, c, "select b from t where a = 7")
	}
	if _, err := c.Exec(t.Context(), "select 1/0").ReadAll(); err == nil {
		t.Fatal("no error")
	}
	if _, err := c.Exec(t.Context(), "show overdrive.nonsense").ReadAll(); err == nil {
		t.Fatal("no error")
	}
	rig.Ask(t, c, "create temporary table x(a int)")
	rig.CloseConn(c)
}

func TestScrape_ShowsWhatHasPassed(t *testing.T) {
	in, url := start(t, "scraped")
	load(t, in, "scraped")
	p := scrape(t, url)
	for series, least := range map[string]float64{
		`overdrive_statements_total{cache_status="hit",database="scraped"}`:                1,
		`overdrive_statements_total{cache_status="miss",database="scraped"}`:               50,
		`overdrive_statements_total{cache_status="notaquery",database="scraped"}`:          51,
		`overdrive_transactions_total{database="scraped",user="postgres"}`:                 102,
		`overdrive_logins_total{database="scraped",user="postgres"}`:                       1,
		`overdrive_errors_total{database="scraped",source="server",sqlstate_class="22"}`:   1,
		`overdrive_errors_total{database="scraped",source="proxy",sqlstate_class="42"}`:    1,
		`overdrive_pins_total{database="scraped",reason="temporary object"}`:               1,
		`overdrive_client_duration_seconds_count{answered_by="cache",database="scraped"}`:  1,
		`overdrive_client_duration_seconds_count{answered_by="server",database="scraped"}`: 102,
		`overdrive_client_duration_seconds_count{answered_by="proxy",database="scraped"}`:  1,
		`overdrive_upstream_duration_seconds_count{database="scraped"}`:                    102,
		`overdrive_client_received_bytes_total{database="scraped",user="postgres"}`:        1000,
		`overdrive_cache_invalidations_total{database="scraped"}`:                          50,
		`overdrive_catalog_load_duration_seconds_count{database="scraped"}`:                1,
		`overdrive_pool_size{database="scraped",user="postgres"}`:                          2,
		`overdrive_build_info{goversion="` + runtime.Version() + `",version="1.2.3"}`:      1,
		`overdrive_config_reloads_total{outcome="failed"}`:                                 1,
		`overdrive_config_last_reload_success_timestamp_seconds{}`:                         1e9,
		`overdrive_loop_turn_duration_seconds_count{loop="0"}`:                             100,
		`overdrive_refused_logins_total{reason="password"}`:                                0,
		`process_cpu_seconds_total{}`:                                                      0,
		`go_goroutines{}`:                                                                  1,
	} {
		if got, there := p.values[series]; !there || got < least {
			t.Errorf("%s is %v, want %v at least", series, got, least)
		}
	}
	if got := p.values[`overdrive_config_last_reload_successful{}`]; got != 0 {
		t.Errorf("the last reload failed, got %v", got)
	}
	rig.Await(t, "the client is counted as gone", func() bool {
		return scrape(t, url).values[`overdrive_ended_clients_total{database="scraped",reason="client closed"}`] >= 1
	})
}

func TestScrape_OfADeadServerIsAnsweredInTime(t *testing.T) {
	in := rig.Start(t, rig.Setup{Upstream: "127.0.0.1:1", Database: "nowhere", Size: 1, Options: new(rig.Captured).Capture})
	url := serve(t, in, func() metrics.Program { return metrics.Program{} })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if w, err := proxytest.Dial(ctx, in.Address, proxytest.Login{User: "postgres", Database: "nowhere"}); err == nil {
		w.Close()
	}
	rig.Await(t, "a failed login", func() bool {
		return scrape(t, url).values[`overdrive_pool_failed_logins_total{database="nowhere",user="postgres"}`] >= 1
	})
}
