package metrics

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// told is a proxy that says what the test has it say.
type told struct {
	pools    []proxy.PoolStatus
	traffic  []proxy.TrafficStatus
	caches   []proxy.CacheStatus
	catalogs []proxy.CatalogStatus
}

func (p *told) Pools() []proxy.PoolStatus       { return p.pools }
func (p *told) Traffic() []proxy.TrafficStatus  { return p.traffic }
func (p *told) Refusals() []traffic.Count       { return nil }
func (p *told) Caches() []proxy.CacheStatus     { return p.caches }
func (p *told) Catalogs() []proxy.CatalogStatus { return p.catalogs }
func (p *told) Loops() []proxy.LoopStatus       { return nil }

// gather returns what a scrape finds, by metric, and by its labels in the order of their names.
func gather(t *testing.T, p *told) map[string]map[string]*dto.Metric {
	t.Helper()
	registry := prometheus.NewPedanticRegistry() // which checks more
	if err := registry.Register(&collector{Options{p, p, "1", func() Program { return Program{} }}}); err != nil {
		t.Fatal(err)
	}
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]map[string]*dto.Metric)
	for _, f := range all {
		series := make(map[string]*dto.Metric)
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			series[strings.Join(labels, ",")] = m
		}
		found[strings.TrimPrefix(f.GetName(), "overdrive_")] = series
	}
	return found
}

// trafficOf is that of a user with so many transactions.
func trafficOf(user string, n uint64) proxy.TrafficStatus {
	t := proxy.TrafficStatus{Database: "shop", User: user}
	t.Transactions, t.Pool.Acquires = n, n
	return t
}

func TestCollector_ShowsTheFirstUsersOneByOneAndTheOthersAsOne(t *testing.T) {
	const many = 150
	p := &told{}
	for i := range many {
		name := fmt.Sprint("user", i)
		p.traffic = append(p.traffic, trafficOf(name, 1))
		p.pools = append(p.pools, proxy.PoolStatus{Database: "shop", User: name, Clients: 1})
	}
	p.traffic = append(p.traffic, trafficOf("", 1000)) // of those who are gone
	got := gather(t, p)
	for metric, others := range map[string]float64{"transactions_total": many - shownUsers + 1000, "pool_acquires_total": many - shownUsers + 1000} {
		series := got[metric]
		if len(series) != shownUsers+1 || series["shop,user0"].GetCounter().GetValue() != 1 || series["shop,"+otherUsers].GetCounter().GetValue() != others {
			t.Errorf("%s: %d series, the others have %v, want %v", metric, len(series), series["shop,"+otherUsers], others)
		}
	}
	if clients := got["pool_clients"]; len(clients) != shownUsers+1 || clients["shop,"+otherUsers].GetGauge().GetValue() != many-shownUsers {
		t.Errorf("clients: %d series, the others have %v", len(clients), clients["shop,"+otherUsers])
	}
}

// A name that is no text, or that of the others, would have Prometheus refuse the whole scrape.
func TestCollector_NamesOfHostileClientsBreakNoScrape(t *testing.T) {
	p := &told{}
	for i, name := range []string{"\xff", "\xfe", "other", strings.Repeat("x", 1000), strings.Repeat("x", 999), `a"} 1` + "\n", ""} {
		p.traffic = append(p.traffic, trafficOf(name, 1<<i))
		p.pools = append(p.pools, proxy.PoolStatus{Database: "shop", User: name})
	}
	sum := 0.0
	for _, m := range gather(t, p)["transactions_total"] {
		sum += m.GetCounter().GetValue()
		for _, l := range m.GetLabel() {
			if len(l.GetValue()) > maxLabel {
				t.Errorf("a label has %d bytes", len(l.GetValue()))
			}
		}
	}
	if sum != 1<<7-1 {
		t.Errorf("the transactions add up to %v, want %v", sum, 1<<7-1)
	}
}

func TestCollector_LongNamesOfDatabasesStayApart(t *testing.T) {
	p := &told{}
	for _, end := range []string{"a", "b"} {
		name := strings.Repeat("x", 70) + end
		p.pools = append(p.pools, proxy.PoolStatus{Database: name, User: "app", Clients: 1})
		p.traffic = append(p.traffic, proxy.TrafficStatus{Database: name, User: "app"})
		p.caches = append(p.caches, proxy.CacheStatus{Database: name, Entries: 1})
		p.catalogs = append(p.catalogs, proxy.CatalogStatus{Database: name})
	}
	got := gather(t, p)
	for _, metric := range []string{"cache_entries", "catalog_failed_looks_total", "pool_clients", "transactions_total"} {
		if len(got[metric]) != 2 {
			t.Errorf("%s has %d series, want one for each database", metric, len(got[metric]))
		}
	}
}

func TestHistogram_IsClassicAndNativeAndBothSayTheSame(t *testing.T) {
	var times traffic.Times
	for _, d := range []time.Duration{0, 500, time.Microsecond, time.Millisecond, time.Millisecond, time.Second, time.Minute, time.Hour} {
		times.Observe(d)
	}
	ts := trafficOf("ann", 1)
	ts.Upstream = times.Distribution()
	h := gather(t, &told{traffic: []proxy.TrafficStatus{ts}})["upstream_duration_seconds"]["shop"].GetHistogram()
	if h.GetSampleCount() != 8 || math.Abs(h.GetSampleSum()-3661.0020015) > 1e-6 || h.GetSchema() != 0 || h.GetZeroCount() != 2 {
		t.Errorf("got %v", h)
	}
	native := make(map[float64]int64) // by upper bound
	index, n, delta := int32(0), int64(0), h.GetPositiveDelta()
	for _, span := range h.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			n += delta[0]
			delta = delta[1:]
			native[math.Ldexp(1, int(index))] = n
			index++
		}
	}
	if len(delta) != 0 {
		t.Errorf("%d buckets are in no span", len(delta))
	}
	sofar := int64(h.GetZeroCount())
	for i, b := range h.GetBucket() {
		if i > 0 {
			sofar += native[b.GetUpperBound()]
		}
		if int64(b.GetCumulativeCount()) != sofar {
			t.Errorf("up to %g: the classic one has %d, the native one %d", b.GetUpperBound(), b.GetCumulativeCount(), sofar)
		}
	}
	if native[128] != 1 || sofar != 7 {
		t.Errorf("beyond the last bound: %d, up to it %d", native[128], sofar)
	}
}

func TestHandler_AnswersFewScrapesAtATime(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, maxScrapes)
	p := &told{}
	h, err := NewHandler(Options{p, p, "1", func() Program { entered <- struct{}{}; <-hold; return Program{} }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int, maxScrapes)
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		return w.Code
	}
	for range maxScrapes {
		go func() { done <- ask() }()
	}
	for range maxScrapes {
		<-entered
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("one too many: status %d, want 503", code)
	}
	close(hold)
	for range maxScrapes {
		if code := <-done; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
}
