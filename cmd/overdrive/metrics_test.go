package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// scraped returns the values of what /metrics shows, by series.
func scraped(t *testing.T, address string) map[string]string {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %s", response.Status)
	}
	values := make(map[string]string)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if series, value, ok := strings.Cut(lines.Text(), " "); ok && !strings.HasPrefix(series, "#") {
			values[series] = value
		}
	}
	return values
}

// awaitReady returns when clients may come: an address is listened to, and the log says so, a moment before.
func awaitReady(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the program does not get ready")
		}
	}
}

func wantScraped(t *testing.T, address string, want map[string]string) {
	t.Helper()
	got := scraped(t, address)
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s is %q, want %q", series, got[series], value)
		}
	}
}

func TestMetrics_TellWhatBecameOfReloads(t *testing.T) {
	path := file(t, "o.yaml", reloadable(t, "one"))
	s, _ := serveHere(t, "--config", path)
	awaitReady(t, s.health)
	wantScraped(t, s.health, map[string]string{
		`overdrive_config_reloads_total{outcome="ok"}`: "0", `overdrive_config_last_reload_successful`: "1", `overdrive_log_dropped_lines_total`: "0",
	})
	rewrite(t, path, "nonsense: 1\n")
	deadline := time.Now().Add(time.Minute)
	for scraped(t, s.health)["overdrive_config_last_reload_successful"] != "0" { // the file is seen to have changed, too
		if time.Now().After(deadline) {
			t.Fatal("a reload that failed is not shown")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := os.WriteFile(path, []byte(reloadable(t, "one", "two")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	got := scraped(t, s.health)
	if got["overdrive_config_last_reload_successful"] != "1" || got[`overdrive_config_reloads_total{outcome="ok"}`] == "0" ||
		got[`overdrive_config_reloads_total{outcome="failed"}`] == "0" {
		t.Errorf("got %v", got)
	}
}

func TestMetrics_AreNotThereBeforeAnythingRuns(t *testing.T) {
	h := startTestHealth(t)
	response, err := http.Get("http://" + h.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %s, want 503", response.Status)
	}
}
