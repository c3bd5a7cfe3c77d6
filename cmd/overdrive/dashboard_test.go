package main

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"overdrive/config"
	"overdrive/proxy/admin/dashboard"
	"overdrive/proxy/postgres/pgauth"
)

// browse asks the HTTP side of a service, logged in as user, whose password is pw, unless that is empty.
func (s *service) browse(user, path string, into any) int {
	s.t.Helper()
	awaitReady(s.t, s.health)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.health+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, "pw")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if into != nil && response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(into); err != nil {
			s.t.Fatal(err)
		}
	}
	return response.StatusCode
}

// greeted is what the page reads of /api/now.
type greeted struct {
	Token, User, Acts string
	Databases         []struct {
		Name       string
		Statements uint64
	}
}

func TestDashboard_ShowsAndPurgesWhatRuns(t *testing.T) {
	s, _ := serveHere(t, "--config", file(t, "o.yaml", reloadable(t, "one")))
	if code := s.browse("", "/", nil); code != http.StatusOK {
		t.Fatalf("the page: %d", code)
	}
	c := login(t, dsnOf(s, "app", "pw", "one"))
	for range 10 {
		query(t, c, "select 1")
	}
	var got greeted
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if s.browse("boss", "/api/now", &got); len(got.Databases) == 1 && got.Databases[0].Statements >= 10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", got)
		}
	}
	if got.User != "boss" || got.Acts != "all" {
		t.Errorf("got %+v", got)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.health+"/api/purge", strings.NewReader(`{"database": "one", "kind": "all"}`))
	r.SetBasicAuth("boss", "pw")
	for name, value := range map[string]string{"Content-Type": "application/json", "Origin": "http://" + s.health, "X-Overdrive-Token": got.Token} {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("purge: %s", response.Status)
	}
	if line := s.await("purge"); line["user"] != "boss" || line["purged"] != "all" {
		t.Errorf("the log says %v", line)
	}
}

func TestDashboard_FollowsUsersOfAReload(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	var got greeted
	if s.browse("app", "/api/now", &got); got.Acts != "own" {
		t.Errorf("before: %+v", got)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(reloadable(t, "one"), "users: [boss]", "users: [boss, app]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	if s.browse("app", "/api/now", &got); got.Acts != "all" {
		t.Errorf("after: %+v", got)
	}
}

func TestDashboard_NeedsALoginOnAnAddressOfTheNetwork(t *testing.T) {
	text := reloadable(t, "one") + "listen: [\"127.0.0.1:0\"]\nhttp: \"0.0.0.0:0\"\nlog: {format: json}\n"
	s, _ := serveConfigured(t, file(t, "o.yaml", text))
	_, port, _ := strings.Cut(s.health, "]:")
	if port == "" {
		_, port, _ = strings.Cut(s.health, ":")
	}
	s.health = "127.0.0.1:" + port
	for user, want := range map[string]int{"": http.StatusUnauthorized, "app": http.StatusUnauthorized, "boss": http.StatusOK} {
		if code := s.browse(user, "/", nil); code != want {
			t.Errorf("%q: %d, want %d", user, code, want)
		}
	}
	for _, open := range []string{"/healthz", "/readyz", "/metrics"} {
		if code := s.browse("", open, nil); code != http.StatusOK {
			t.Errorf("%s: %d", open, code)
		}
	}
}

func TestAccounts_CheckEveryKindOfSecret(t *testing.T) {
	const password = "pencil"
	const verifier = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$nQpbZ77WudtqufPwikHXGRt6g2QJ4zns8bZLw273DRM=:jn2amWP1q1h+jgjy0YTO14S6/F02SV7taipOeB7ef20=" // of the password
	text := fmt.Sprintf(`
auth: {method: md5, users: {plain: %s, hash: md5%x, scram: "%s"}}
admin: {users: [scram], stats_users: [hash]}
databases: {shop: {url: "postgres://plain:x@db/shop"}}
`, password, md5.Sum([]byte(password+"hash")), verifier)
	cfg, problems := config.Load(config.Options{File: file(t, "o.yaml", text)})
	if problems != nil {
		t.Fatal(problems)
	}
	a := accounts(cfg)
	for user, want := range map[string]dashboard.Role{"plain": dashboard.User, "hash": dashboard.Viewer, "scram": dashboard.Administrator, "nobody": dashboard.Nobody} {
		if got := a.Check(user, password); got != want {
			t.Errorf("%s: role %d, want %d", user, got, want)
		}
		for _, wrong := range []string{"", "x", password + "\x00", verifier, strings.Repeat("x", pgauth.MaxResponseBytes)} {
			if got := a.Check(user, wrong); got != dashboard.Nobody {
				t.Errorf("%s with %.20q: role %d", user, wrong, got)
			}
		}
	}
	if !a.Users {
		t.Error("there are users")
	}
}

func TestIsLocal_IsForLoopbackOnly(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": true, "127.8.9.1:1": true, "[::1]:1": true, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "": false} {
		if got := isLocal(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
