package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

func decoded[T any](t *testing.T, from *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if from.Code != http.StatusOK {
		t.Fatalf("%d %s", from.Code, from.Body)
	}
	if err := json.Unmarshal(from.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNow_CountsWhatHasPassed(t *testing.T) {
	f := newFake()
	f.answered(statusHit, traffic.ByCache, time.Microsecond, 3)
	f.answered(statusMiss, traffic.ByServer, time.Millisecond, 2)
	f.answered(0, traffic.ByServer, time.Second, 1)
	f.meter.ServerErrors.AddError("42601")
	h := newTest(f, local)
	got := decoded[greetingOf](t, question{path: "/api/now", user: "app"}.on(h))
	if got.Token != h.token || got.User != "app" || got.Acts != "own" || !got.MayLog || got.Version != "1.2.3" || got.At == 0 || len(got.Databases) != 2 {
		t.Errorf("got %+v", got)
	}
	shop := got.Databases[1]
	if shop.Name != "shop" || shop.Statements != 6 || shop.Hits != 3 || shop.Misses != 2 || shop.Errors != 1 || shop.Mode != "on" || shop.Entries != 12 {
		t.Errorf("got %+v", shop)
	}
	// A millisecond is between 2^(10-20) and 2^(11-20) s.
	if len(shop.Server) != 21 || shop.Server[11] != 2 || shop.Server[20] != 1 || !slices.Equal(shop.Cache, []uint64{0, 3}) {
		t.Errorf("times: %v, %v", shop.Server, shop.Cache)
	}
	if p := shop.Pools[0]; p != (onePool{User: "app", Mode: "transaction", Size: 20, Leased: 3, Idle: 1, Waiting: 2, Clients: 5}) {
		t.Errorf("got %+v", p)
	}
}

// greetingOf is a greeting as it is read: the tests must not set the pointer that it has.
type greetingOf struct {
	now
	Version, Token, User, Acts string
	MayLog                     bool `json:"mayLogIn"`
}

func TestNow_StaysSmallAndLosesNobody(t *testing.T) {
	f := newFake()
	f.names, f.pools = nil, nil
	for i := range 3 * maxDatabases {
		f.names = append(f.names, fmt.Sprintf("db%03d", i))
	}
	for i := range 1000 {
		p := proxy.PoolStatus{Database: "db000", User: fmt.Sprintf("user\xff%d %s", i, strings.Repeat("x", 100)), Clients: 1}
		p.Waiting = i % 2
		f.pools = append(f.pools, p)
	}
	f.pools = append(f.pools, proxy.PoolStatus{Database: "db149", User: "last", Clients: 7})
	w := question{path: "/api/now"}.on(newTest(f, local))
	got := decoded[greetingOf](t, w)
	if len(got.Databases) != maxDatabases || got.Databases[maxDatabases-1].Others != 2*maxDatabases+1 || got.Databases[maxDatabases-1].Pools[0].Clients != 7 {
		t.Errorf("%d databases, the last is %+v", len(got.Databases), got.Databases[len(got.Databases)-1])
	}
	pools, clients, waiting := got.Databases[0].Pools, int64(0), 0
	for _, p := range pools {
		clients += p.Clients
		waiting += p.Waiting
	}
	if len(pools) != maxPools || clients != 1000 || waiting != 500 || pools[0].Waiting != 1 {
		t.Errorf("%d pools with %d clients, %d wait", len(pools), clients, waiting)
	}
	if w.Body.Len() > 64<<10 {
		t.Errorf("%d bytes", w.Body.Len())
	}
}

func TestNow_NamesDatabasesAsTheyAreAskedBy(t *testing.T) {
	f := newFake()
	f.names = []string{strings.Repeat("x", 70) + "a", strings.Repeat("x", 70) + "b"}
	h := newTest(f, local)
	for i, d := range decoded[greetingOf](t, question{path: "/api/now"}.on(h)).Databases {
		if d.Name != f.names[i] {
			t.Errorf("got %q, want %q", d.Name, f.names[i])
		}
		decoded[queries](t, question{path: "/api/queries?database=" + d.Name}.on(h))
	}
}

func TestQueries_AreTheForemostOfAnOrder(t *testing.T) {
	f := newFake()
	f.queries = append(shapes(3*maxQueries), proxy.QueryStatus{Database: "shop", Fingerprint: 9999, Shape: "explained only"})
	f.queries[2500].MeanMiss, f.queries[2500].Hits = time.Hour, 5
	f.queries[2000].Shape = "SELECT " + strings.Repeat("é", 500)
	h := newTest(f, local)
	ask := func(query string) queries {
		t.Helper()
		return decoded[queries](t, question{path: "/api/queries?" + query}.on(h))
	}
	if got := ask("database=shop"); got.Total != 3*maxQueries || len(got.Queries) != maxQueries || got.Queries[0].Calls != 10*3*maxQueries {
		t.Errorf("by calls: %d of %d, first %+v", len(got.Queries), got.Total, got.Queries[0])
	}
	if got := ask("order=saved").Queries[0]; got.Saved != 5*3600 || got.Fingerprint != "00000000000009c5" {
		t.Errorf("by time saved: %+v", got)
	}
	if got := ask("order=calls&ascending=true").Queries[0]; got.Calls != 10 {
		t.Errorf("ascending: %+v", got)
	}
	got := ask("filter=" + url.QueryEscape("éÉ"))
	if got.Total != 1 || !got.Queries[0].Cut || len([]rune(got.Queries[0].Shape)) != maxShape {
		t.Errorf("filtered: %+v", got)
	}
	whole := decoded[query](t, question{path: "/api/queries?database=shop&fingerprint=" + got.Queries[0].Fingerprint}.on(h))
	if whole.Cut || whole.Shape != f.queries[2000].Shape {
		t.Errorf("the whole: %+v", whole)
	}
	for path, want := range map[string]int{
		"database=none": http.StatusNotFound, "order=none": http.StatusBadRequest, "filter=" + strings.Repeat("x", 401): http.StatusBadRequest,
		"fingerprint=xyz": http.StatusNotFound, "fingerprint=ffffffffffffffff": http.StatusNotFound,
	} {
		if got := (question{path: "/api/queries?" + path}).on(h); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}

func TestExplain_AsksAsTheDatabasesUserOrWhoHasLoggedIn(t *testing.T) {
	f := newFake()
	h := newTest(f, local)
	explain := func(user, database, statement string) *httptest.ResponseRecorder {
		return acting(h, "/api/explain", user, fmt.Sprintf(`{"database": %q, "statement": %q}`, database, statement)).on(h)
	}
	if got := explain("", "shop", "SELECT 1"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `{"item":"reason","value":"random() is VOLATILE"}`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := explain("", "lab", "SELECT 2"); got.Code != http.StatusForbidden {
		t.Errorf("where nobody knows as whom: %d", got.Code)
	}
	explain("root", "lab", "SELECT 3")
	if want := []string{"shop as server: SELECT 1", "lab as root: SELECT 3"}; !slices.Equal(f.explained, want) {
		t.Errorf("explained %q, want %q", f.explained, want)
	}
	if got := explain("root", "shop", "fail"); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "it fails") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestExplain_IsDoneForFewAtATime(t *testing.T) {
	f := newFake()
	f.hold = make(chan struct{})
	h := newTest(f, local)
	codes := make(chan int, maxActing+1)
	for range cap(codes) {
		go func() {
			codes <- acting(h, "/api/explain", "", `{"database": "shop", "statement": "SELECT 1"}`).on(h).Code
		}()
	}
	if got := <-codes; got != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got)
	}
	close(f.hold)
	for range maxActing {
		if got := <-codes; got != http.StatusOK {
			t.Errorf("%d", got)
		}
	}
}

func TestPurge_DropsWhatIsNamed(t *testing.T) {
	for _, c := range []struct{ kind, name, want string }{
		{"table", "scores", "shop: table scores"},
		{"table", "Public.Scores", "shop: table public.scores"},
		{"table", `"My"."a ""b"".c"`, `shop: table My.a "b".c`},
		{"table", `public."T"`, "shop: table public.T"},
		{"tag", " Standings ", "shop: tag Standings"},
		{"query", "00000000000000ff", "shop: query 00000000000000ff"},
		{"all", "", "shop: all"},
		{"query", "xyz", ""}, {"query", "0", ""}, {"table", "", ""}, {"tag", "  ", ""}, {"everything", "x", ""}, {"table", "nowhere", ""},
	} {
		f := newFake()
		h := newTest(f, local)
		body, _ := json.Marshal(map[string]string{"database": "shop", "kind": c.kind, "name": c.name})
		got := acting(h, "/api/purge", "root", string(body)).on(h)
		if f.purges() != c.want || (got.Code == http.StatusOK) != (c.want != "") || got.Code >= http.StatusInternalServerError {
			t.Errorf("%s %q: %d %s, purged %q, want %q", c.kind, c.name, got.Code, got.Body, f.purges(), c.want)
		}
	}
}
