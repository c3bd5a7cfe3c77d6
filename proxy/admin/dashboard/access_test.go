package dashboard

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSeeing_NeedsALoginUnlessTheAddressIsOfThisMachine(t *testing.T) {
	for _, path := range []string{"/", "/dashboard.js", "/dashboard.css", "/api/now", "/api/queries?database=shop"} {
		for _, c := range []struct {
			what string
			near bool
			q    question
			want int
		}{
			{"from here", local, question{}, http.StatusOK},
			{"from here, by name", local, question{host: "localhost:8000"}, http.StatusOK},
			{"from here, by IPv6", local, question{host: "[::1]:9432"}, http.StatusOK},
			{"from here, with a login", local, question{user: "app"}, http.StatusOK},
			{"from here, with a wrong one", local, question{user: "app:x"}, http.StatusUnauthorized},
			{"a name that was made to mean this machine", local, question{host: "evil.example:9432"}, http.StatusForbidden},
			{"a name that begins like ours", local, question{host: "localhost.evil.example"}, http.StatusForbidden},
			{"an address that is not ours", local, question{host: "10.0.0.1"}, http.StatusForbidden},
			{"no host", local, question{host: " "}, http.StatusForbidden},
			{"passed on by something on this machine", local, question{headers: map[string]string{"X-Forwarded-For": "10.0.0.1"}}, http.StatusUnauthorized},
			{"passed on, with a login", local, question{user: "stats", headers: map[string]string{"Forwarded": "for=10.0.0.1"}}, http.StatusOK},
			{"from elsewhere", remote, question{}, http.StatusUnauthorized},
			{"from elsewhere, as localhost", remote, question{host: "localhost"}, http.StatusUnauthorized},
			{"from elsewhere, an administrator", remote, question{user: "root", host: "db.example"}, http.StatusOK},
			{"from elsewhere, who sees statistics", remote, question{user: "stats"}, http.StatusOK},
			{"from elsewhere, who may see his own only", remote, question{user: "app"}, http.StatusUnauthorized},
			{"from elsewhere, a wrong password", remote, question{user: "root:x"}, http.StatusUnauthorized},
			{"from elsewhere, nobody we know", remote, question{user: "stranger"}, http.StatusUnauthorized},
		} {
			c.q.path = path
			got := c.q.on(newTest(newFake(), c.near))
			if got.Code != c.want {
				t.Errorf("%s, %s: %d %s, want %d", path, c.what, got.Code, got.Body, c.want)
			}
			if asks := got.Header().Get("WWW-Authenticate") != ""; asks != (c.want == http.StatusUnauthorized) {
				t.Errorf("%s, %s: the browser is asked for a login: %v", path, c.what, asks)
			}
		}
	}
}

func TestActing_NeedsAQuestionThatOnlyOurPageCanAsk(t *testing.T) {
	for _, path := range []string{"/api/purge", "/api/explain"} {
		for _, c := range []struct {
			what   string
			change func(q *question)
			want   int
		}{
			{"our page", func(*question) {}, http.StatusOK},
			{"our page, with a charset", func(q *question) { q.headers["Content-Type"] = "application/json; charset=utf-8" }, http.StatusOK},
			{"our page behind TLS", func(q *question) { q.headers["Origin"] = "https://127.0.0.1:9432" }, http.StatusOK},
			{"no token", func(q *question) { delete(q.headers, tokenHeader) }, http.StatusForbidden},
			{"another token", func(q *question) { q.headers[tokenHeader] = strings.Repeat("A", 26) }, http.StatusForbidden},
			{"no origin", func(q *question) { delete(q.headers, "Origin") }, http.StatusForbidden},
			{"another origin", func(q *question) { q.headers["Origin"] = "http://evil.example" }, http.StatusForbidden},
			{"another port", func(q *question) { q.headers["Origin"] = "http://127.0.0.1:80" }, http.StatusForbidden},
			{"the origin of a file", func(q *question) { q.headers["Origin"] = "null" }, http.StatusForbidden},
			{"a form", func(q *question) { q.headers["Content-Type"] = "application/x-www-form-urlencoded" }, http.StatusUnsupportedMediaType},
			{"text", func(q *question) { q.headers["Content-Type"] = "text/plain" }, http.StatusUnsupportedMediaType},
			{"no type", func(q *question) { delete(q.headers, "Content-Type") }, http.StatusUnsupportedMediaType},
			{"a name that was made to mean this machine", func(q *question) {
				q.host, q.headers["Origin"] = "evil.example", "http://evil.example"
			}, http.StatusForbidden},
			{"too long", func(q *question) { q.body = `{"database": "` + strings.Repeat("x", maxBody) + `"}` }, http.StatusRequestEntityTooLarge},
			{"no JSON", func(q *question) { q.body = `database=shop` }, http.StatusBadRequest},
			{"more behind it", func(q *question) { q.body += "{}" }, http.StatusBadRequest},
			{"a key that we do not know", func(q *question) { q.body = `{"database": "shop", "force": true}` }, http.StatusBadRequest},
			{"by GET", func(q *question) { q.method = http.MethodGet }, http.StatusMethodNotAllowed},
		} {
			f := newFake()
			h := newTest(f, local)
			body := `{"database": "shop", "kind": "tag", "name": "a"}`
			if path == "/api/explain" {
				body = `{"database": "shop", "statement": "SELECT 1"}`
			}
			q := acting(h, path, "root", body)
			c.change(&q)
			if got := q.on(h); got.Code != c.want {
				t.Errorf("%s, %s: %d %s, want %d", path, c.what, got.Code, got.Body, c.want)
			}
			if acted := len(f.purged)+len(f.explained) > 0; acted != (c.want == http.StatusOK) {
				t.Errorf("%s, %s: acted %v", path, c.what, acted)
			}
		}
	}
}

func TestPurge_IsForAdministratorsAndThoseOfTheDatabase(t *testing.T) {
	for _, c := range []struct {
		user, database string
		near           bool
		want           int
	}{
		{"root", "shop", local, http.StatusOK},
		{"root", "lab", remote, http.StatusOK},
		{"app", "shop", local, http.StatusOK},
		{"app", "lab", local, http.StatusForbidden},
		{"stats", "shop", local, http.StatusForbidden},
		{"stats", "shop", remote, http.StatusForbidden},
		{"app", "shop", remote, http.StatusUnauthorized}, // he may not see the page
		{"", "shop", local, http.StatusForbidden},
		{"", "shop", remote, http.StatusUnauthorized},
		{"root:x", "shop", local, http.StatusUnauthorized},
	} {
		f := newFake()
		h := newTest(f, c.near)
		got := acting(h, "/api/purge", c.user, `{"database": "`+c.database+`", "kind": "all"}`).on(h)
		if got.Code != c.want || (len(f.purged) > 0) != (c.want == http.StatusOK) {
			t.Errorf("%+v: %d %s, purged %q", c, got.Code, got.Body, f.purged)
		}
	}
	f := newFake()
	h := newTest(f, local)
	h.Reconfigure(Accounts{Check: func(string, string) Role { return Nobody }})
	if got := acting(h, "/api/purge", "", `{"database": "shop", "kind": "all"}`).on(h); got.Code != http.StatusOK {
		t.Errorf("where there are no users: %d %s", got.Code, got.Body)
	}
}

func TestEveryAnswer_ForbidsWhatAPageDoesNotNeed(t *testing.T) {
	h := newTest(newFake(), local)
	for _, q := range []question{{path: "/"}, {path: "/api/now"}, {path: "/nowhere"}, {path: "/api/now", host: "evil.example"}, {path: "/login"}} {
		got := q.on(h)
		for name, want := range headers {
			if got.Header().Get(name) != want {
				t.Errorf("%s: %s is %q", q.path, name, got.Header().Get(name))
			}
		}
	}
	if policy := headers["Content-Security-Policy"]; strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy allows %s", policy)
	}
}

func TestReconfigure_ForgetsWhoWasLetIn(t *testing.T) {
	h := newTest(newFake(), remote)
	q := question{path: "/api/now", user: "root"}
	if got := q.on(h); got.Code != http.StatusOK {
		t.Fatalf("%d", got.Code)
	}
	h.Reconfigure(Accounts{Users: true, Check: func(string, string) Role { return Nobody }})
	if got := q.on(h); got.Code != http.StatusUnauthorized {
		t.Errorf("after the user has gone: %d", got.Code)
	}
}

func TestLogin_AsksThoseWhoNeedNone(t *testing.T) {
	h := newTest(newFake(), local)
	if got := (question{path: "/login"}).on(h); got.Code != http.StatusUnauthorized || got.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without: %d", got.Code)
	}
	if got := (question{path: "/login", user: "app"}).on(h); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/" {
		t.Errorf("with: %d %s", got.Code, got.Header().Get("Location"))
	}
}

// Whoever guesses passwords costs a check a second for each address, and few at a time; who is in notices nothing.
func TestLogins_ThatAreWrongAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTest(newFake(), remote)
		h.tries.pause = wrongPause
		var checks atomic.Int64
		check := testAccounts().Check
		h.Reconfigure(Accounts{Users: true, Check: func(user, password string) Role {
			checks.Add(1)
			return check(user, password)
		}})
		in := question{path: "/api/now", user: "root"}
		if got := in.on(h); got.Code != http.StatusOK {
			t.Fatalf("%d", got.Code)
		}
		codes := make(chan int, 50)
		began := time.Now()
		for range cap(codes) {
			go func() { codes <- question{path: "/api/now", user: "root:wrong"}.on(h).Code }()
		}
		synctest.Wait()
		if got := in.on(h); got.Code != http.StatusOK || time.Since(began) != 0 {
			t.Errorf("who is in: %d after %v", got.Code, time.Since(began))
		}
		count := make(map[int]int)
		for range cap(codes) {
			count[<-codes]++
		}
		if count[http.StatusUnauthorized] != 1 || count[http.StatusTooManyRequests] != cap(codes)-1 || checks.Load() != 2 || time.Since(began) != wrongPause {
			t.Errorf("got %v after %v and %d checks", count, time.Since(began), checks.Load())
		}
		time.Sleep(time.Nanosecond)
		if got := (question{path: "/api/now", user: "stats"}).on(h); got.Code != http.StatusOK {
			t.Errorf("after the pause: %d", got.Code)
		}
	})
}

func TestTries_AreFewInAllAndOneOfEachAddress(t *testing.T) {
	var s tries
	for i := range maxTries {
		if address := origin("10.0.0." + string(rune('0'+i)) + ":1"); !s.enter(address) || s.enter(address) {
			t.Errorf("%s: want one", address)
		}
	}
	if s.enter("10.0.1.1") {
		t.Error("one too many")
	}
	s.leave("10.0.0.0")
	if !s.enter("10.0.1.1") {
		t.Error("none, though there is room")
	}
	if a, b := origin("[2001:db8:1:2:3::4]:5"), origin("[2001:db8:1:2:f::f]:6"); a != b || a == origin("[2001:db8:1:3::4]:5") {
		t.Errorf("one network: %s and %s", a, b)
	}
}
