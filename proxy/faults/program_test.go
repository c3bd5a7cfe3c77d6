//go:build linux

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build builds the real program, with one file more that tells the number of its goroutines.
func build(t *testing.T) (program string) {
	t.Helper()
	dir := t.TempDir()
	where, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "overdrive/cmd/overdrive").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	figures, err := filepath.Abs("testdata/figures.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(strings.TrimSpace(string(where)), "figures_for_faults.go"): figures,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "overdrive")
	args := slices.Concat([]string{"build", "-buildvcs=false", "-overlay", file, "-o", program}, raceFlags, []string{"overdrive/cmd/overdrive"})
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// A process is a running `overdrive serve`.
type process struct {
	cmd     *exec.Cmd
	address string
	figures http.Client

	mu   sync.Mutex // guards what follows
	log  []string   // the latest lines
	bad  []string   // lines that tell of a fault of the program's own
	gone chan struct{}
}

// serve starts the program and waits until it takes clients.
func serve(t *testing.T, program, configuration string) *process {
	t.Helper()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "overdrive.yaml"), filepath.Join(dir, "figures")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(program, "serve", "--config", file), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "OVERDRIVE_FAULTS_FIGURES="+socket)
	p.figures.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	listening := make(chan string, 1)
	go p.follow(log, listening)
	select {
	case p.address = <-listening:
	case <-p.gone:
		t.Fatalf("the program ended at once:\n%s", strings.Join(p.log, "\n"))
	case <-time.After(time.Minute):
		t.Fatal("the program does not listen")
	}
	return p
}

// follow reads the log to its end.
func (p *process) follow(log io.Reader, listening chan<- string) {
	defer close(p.gone)
	for in := bufio.NewScanner(log); in.Scan(); {
		line := in.Text()
		var said struct{ Level, Msg, Address, Reason string }
		known := json.Unmarshal([]byte(line), &said) == nil
		if said.Msg == "listening" {
			listening <- said.Address
		}
		p.mu.Lock()
		if p.log = append(p.log, line); len(p.log) > 30 {
			p.log = p.log[1:]
		}
		if !known || said.Level == "ERROR" || said.Reason == "internal error" {
			p.bad = append(p.bad, line)
		}
		p.mu.Unlock()
	}
}

// stop has the program end by itself. It returns what was wrong with that, or with what it logged.
func (p *process) stop(within time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(within, func() { _ = p.cmd.Process.Kill() })
	<-p.gone
	err := p.cmd.Wait()
	switch p.mu.Lock(); {
	case len(p.bad) > 0:
		return fmt.Errorf("its log has\n%s", strings.Join(p.bad[:min(len(p.bad), 60)], "\n"))
	case !late.Stop():
		return fmt.Errorf("it did not end within %v of SIGTERM", within)
	case err != nil:
		return fmt.Errorf("its end: %w", err)
	}
	return nil
}

// use is what the program takes of the machine.
type use struct {
	descriptors, goroutines int
	memory                  int64 // resident, after a collection
}

// measure looks at the program. It is not to be busy.
func (p *process) measure() (u use, err error) {
	text, err := p.ask("goroutines")
	if err != nil {
		return u, err
	}
	if u.goroutines, err = strconv.Atoi(text); err != nil {
		return u, err
	}
	proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	open, err := os.ReadDir(proc + "fd")
	if err != nil {
		return u, err
	}
	u.descriptors = len(open)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &u.memory); err == nil {
			u.memory *= 1024
			return u, nil
		}
	}
	return u, fmt.Errorf("%sstatus has no VmRSS", proc)
}

// ask returns what testdata/figures.go says about a thing.
func (p *process) ask(what string) (string, error) {
	answer, err := p.figures.Get("http://program/" + what)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}
