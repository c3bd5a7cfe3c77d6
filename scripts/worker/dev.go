package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"overdrive/scripts/serving"
)

// A dev is a running `wrangler dev`, with workerd as its child.
type dev struct {
	url    string // of the Worker, without a slash at its end
	client *http.Client

	cmd  *exec.Cmd
	gone chan struct{} // closed when its output has ended

	mu  sync.Mutex // guards log
	log []string   // the latest lines
}

var ready = regexp.MustCompile(`Ready on (http://\S+)`)

// develop starts the Worker with a connection string in place of the one in wrangler.jsonc, and waits until it takes requests. What it
// writes goes into dir, which it may have to itself.
func develop(ctx context.Context, dir, connectionString string) (*dev, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &dev{client: &http.Client{Timeout: time.Minute}, gone: make(chan struct{})}
	d.cmd = exec.Command("node", "node_modules/wrangler/bin/wrangler.js", "dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0",
		"--persist-to", filepath.Join(dir, "state"), "--show-interactive-dev-session=false")
	d.cmd.Dir = where
	// A group of its own, since it starts workerd; and nothing of it is to be known outside of this machine.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "CI=true", "WRANGLER_SEND_METRICS=false", "WRANGLER_HIDE_BANNER=true",
		"WRANGLER_LOG_PATH="+dir, "WRANGLER_REGISTRY_PATH="+filepath.Join(dir, "registry"), "CLOUDFLARE_CF_FETCH_ENABLED=false",
		"CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE="+connectionString)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.cmd.Stderr = d.cmd.Stdout
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	address := make(chan string, 1)
	go d.follow(out, address)
	select {
	case d.url = <-address:
		return d, nil
	case <-d.gone:
		err = fmt.Errorf("wrangler dev ended at once:\n%s", d.said())
	case <-time.After(2 * serving.Patience):
		err = fmt.Errorf("wrangler dev is not ready:\n%s", d.said())
	case <-ctx.Done():
		err = ctx.Err()
	}
	d.end()
	return nil, err
}

// follow reads what it prints to the end.
func (d *dev) follow(out io.Reader, address chan<- string) {
	defer close(d.gone)
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if found := ready.FindStringSubmatch(line); found != nil {
			select {
			case address <- strings.TrimSuffix(found[1], "/"):
			default: // it has started anew
			}
		}
		d.mu.Lock()
		if d.log = append(d.log, strings.TrimSpace(line)); len(d.log) > 40 {
			d.log = d.log[1:]
		}
		d.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// said returns the latest lines that it printed.
func (d *dev) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.log, "\n")
}

// end has it end by itself, and ends whoever of its group does not. The group's number is its own until Wait.
func (d *dev) end() {
	d.client.CloseIdleConnections()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.gone:
	case <-time.After(serving.Patience):
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.gone
	_ = d.cmd.Wait()
}
