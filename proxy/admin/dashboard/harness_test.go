package dashboard

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// fakeProxy is what the dashboard is about, in tests. Database shop belongs to app, and every client of lab is a server user of its own.
type fakeProxy struct {
	mu        sync.Mutex // guards the fields below
	names     []string
	meter     *traffic.Meter // of shop
	pools     []proxy.PoolStatus
	queries   []proxy.QueryStatus // of shop
	purged    []string            // what Purge was asked for
	explained []string
	hold      chan struct{} // Explain waits for it, unless it is nil
}

func newFake() *fakeProxy {
	return &fakeProxy{
		names: []string{"lab", "shop"},
		meter: traffic.NewMeter(1, &traffic.Vocabulary{Statuses: []string{"none", "hit", "miss", "volatile"}}),
		pools: []proxy.PoolStatus{{Database: "shop", User: "app", Mode: "transaction", Clients: 5, Stats: pool.Stats{Size: 20, Leased: 3, Idle: 1, Waiting: 2}}},
	}
}

func (f *fakeProxy) DatabaseNames() []string { return f.names }

func (f *fakeProxy) MayUse(database, user string) bool { return database == "shop" && user == "app" }

func (f *fakeProxy) Databases() []proxy.DatabaseStatus {
	return []proxy.DatabaseStatus{{Name: "lab"}, {Name: "shop", User: "server"}}
}

func (f *fakeProxy) Pools() []proxy.PoolStatus { return f.pools }

func (f *fakeProxy) Traffic() []proxy.TrafficStatus {
	return []proxy.TrafficStatus{{Database: "shop", User: "app", Counts: f.meter.Counts()}}
}

func (f *fakeProxy) Caches() []proxy.CacheStatus {
	return []proxy.CacheStatus{{Database: "shop", Enabled: true, Entries: 12, Bytes: 34567}}
}

func (f *fakeProxy) Queries(database string) []proxy.QueryStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	if database != "shop" {
		return nil
	}
	return append([]proxy.QueryStatus{}, f.queries...)
}

func (f *fakeProxy) Explain(ctx context.Context, database, user, sql string, _ bool) (proxy.Explanation, error) {
	if f.hold != nil {
		select {
		case <-f.hold:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.explained = append(f.explained, database+" as "+user+": "+sql)
	if sql == "fail" {
		return proxy.Explanation{}, &proxy.ControlError{Code: "XX000", Message: "it fails"}
	}
	return proxy.Explanation{Database: database, User: user, Status: "volatile", Reason: "random() is VOLATILE", Tables: []string{"public.<b>t</b>"}}, nil
}

func (f *fakeProxy) Purge(_ context.Context, database string, what proxy.Purge) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if what.Table == "nowhere" {
		return nil, &proxy.ControlError{Code: "42P01", Message: `table "nowhere" does not exist`}
	}
	f.purged = append(f.purged, database+": "+what.String())
	return []string{what.String()}, nil
}

func (f *fakeProxy) purges() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.purged, "; ")
}

// answered counts answers of shop.
func (f *fakeProxy) answered(status int, by traffic.Answerer, took time.Duration, times int) {
	l := f.meter.Lane(0)
	for range times {
		l.Statements.Add(status)
		l.Answers[by].Observe(took)
	}
}

// Indexes of the statuses.
const (
	statusHit  = 1
	statusMiss = 2
)

// shapes are n statements, the most frequent first.
func shapes(n int) []proxy.QueryStatus {
	list := make([]proxy.QueryStatus, n)
	for i := range list {
		list[i] = proxy.QueryStatus{
			Database: "shop", Fingerprint: uint64(i + 1), Shape: fmt.Sprintf("SELECT c%d FROM t WHERE a = ?", i), Status: "cacheable",
			Calls: int64(10 * (n - i)), Hits: int64(i % 10), MeanMiss: time.Duration(1+i%97) * time.Millisecond,
		}
	}
	return list
}

// roles are those of the users of tests, whose passwords are their names.
var roles = map[string]Role{"root": Administrator, "stats": Viewer, "app": User}

func testAccounts() Accounts {
	return Accounts{Users: true, Check: func(user, password string) Role {
		if user != password {
			return Nobody
		}
		return roles[user]
	}}
}

func newTest(f *fakeProxy, local bool) *Handler {
	h := New(Options{Proxy: f, Logger: slog.New(slog.DiscardHandler), Version: "1.2.3", Local: local, Accounts: testAccounts()})
	h.tries.pause = time.Millisecond
	return h
}

const local, remote = true, false

// A question is a request in the making.
type question struct {
	method, path, body string
	user               string // whose password is the same; "user:password": another
	host               string // 127.0.0.1:9432 if empty
	headers            map[string]string
}

// on asks h.
func (q question) on(h *Handler) *httptest.ResponseRecorder {
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, q.path, strings.NewReader(q.body))
	r.Host = "127.0.0.1:9432"
	if q.host != "" {
		r.Host = q.host
	}
	if q.user != "" {
		user, password, other := strings.Cut(q.user, ":")
		if !other {
			password = user
		}
		r.SetBasicAuth(user, password)
	}
	for name, value := range q.headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// acting is a question as our page asks it.
func acting(h *Handler, path, user, body string) question {
	return question{method: http.MethodPost, path: path, user: user, body: body, headers: map[string]string{
		"Content-Type": "application/json", "Origin": "http://127.0.0.1:9432", tokenHeader: h.token,
	}}
}
