package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/config"
)

const unitDir = "../../examples/systemd"

// unitLines returns the settings of a unit, in their order.
func unitLines(t *testing.T, name string) (settings map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(unitDir, name))
	if err != nil {
		t.Fatal(err)
	}
	settings = make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if key, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	return settings
}

func TestUnits_AreForTheProgramAsItIs(t *testing.T) {
	service := unitLines(t, "overdrive.service")
	parseCommand(t, service["ExecStart"][0])
	if got := service["Type"]; !slices.Equal(got, []string{"notify"}) {
		t.Errorf("the program tells when it is ready, and the unit has Type=%q", got)
	}
	patience := time.Duration(config.Default().Limits.ShutdownTimeout)
	if stop, err := time.ParseDuration(service["TimeoutStopSec"][0]); err != nil || stop < patience+afterwards {
		t.Errorf("TimeoutStopSec is %v, %v; transactions may take %v to finish", stop, err, patience)
	}
	for _, address := range unitLines(t, "overdrive.socket")["ListenStream"] {
		if !slices.Contains(config.Default().Listen, address) {
			t.Errorf("the socket listens on %s, the program on %s", address, config.Default().Listen)
		}
	}
}

func TestUnits_AreValidToSystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	dir := t.TempDir()
	for _, name := range []string{"overdrive.service", "overdrive.socket"} {
		text, err := os.ReadFile(filepath.Join(unitDir, name))
		if err != nil {
			t.Fatal(err)
		}
		// It wants to see the program, and the manual, which are not installed here.
		here := strings.ReplaceAll(string(text), "/usr/local/bin/overdrive", os.Args[0])
		here = strings.ReplaceAll(here, "Documentation=man:overdrive(1)\n", "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", filepath.Join(dir, "overdrive.socket"), filepath.Join(dir, "overdrive.service")).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "overdrive") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze: %v %s", err, out)
	}
}
