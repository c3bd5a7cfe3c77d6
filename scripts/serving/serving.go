// Package serving builds the program and runs `overdrive serve`, for commands that try something against it from outside.
package serving

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience is how long the program may take to listen, and to end.
const Patience = 30 * time.Second

// Build builds the program into dir and returns its path. It is called from the directory of the module.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "overdrive")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, "./cmd/overdrive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// A Proxy is a running `overdrive serve`.
type Proxy struct {
	Port string // of its first listener, which is one of TCP

	cmd  *exec.Cmd
	gone chan struct{} // closed when its log has ended

	mu  sync.Mutex // guards log
	log []string   // the latest lines
}

// Serve writes the configuration to a file in dir, starts the program at path with it and with the flags, and waits until it takes
// clients. The log must be in JSON, by the configuration or a flag.
func Serve(path, dir, configuration string, flags ...string) (*Proxy, error) {
	file := filepath.Join(dir, "overdrive.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"serve", "--config", file}, flags...)
	p := &Proxy{cmd: exec.Command(path, args...), gone: make(chan struct{})}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go p.follow(log, listening)
	select {
	case address := <-listening:
		_, p.Port, err = net.SplitHostPort(address)
		return p, err
	case <-p.gone:
		return nil, fmt.Errorf("the proxy ended at once:\n%s", p.Said())
	case <-time.After(Patience):
		_ = p.cmd.Process.Kill()
		return nil, fmt.Errorf("the proxy does not listen:\n%s", p.Said())
	}
}

// follow reads the log to its end. All listeners are open before the first of them is told of.
func (p *Proxy) follow(log io.Reader, listening chan<- string) {
	defer close(p.gone)
	for in := bufio.NewScanner(log); in.Scan(); {
		var line struct{ Msg, Address string }
		if json.Unmarshal(in.Bytes(), &line) == nil && line.Msg == "listening" {
			select {
			case listening <- line.Address:
			default: // another listener than the first
			}
		}
		p.mu.Lock()
		if p.log = append(p.log, in.Text()); len(p.log) > 20 {
			p.log = p.log[1:]
		}
		p.mu.Unlock()
	}
}

// Said returns the latest lines of the log.
func (p *Proxy) Said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

// Stop has the program end by itself.
func (p *Proxy) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(Patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	<-p.gone
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the proxy's end: %w\n%s", err, p.Said())
	}
	return nil
}
