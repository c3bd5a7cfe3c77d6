// Command gotest runs go test with the arguments it is given and shows what go test would, but each package as soon as it has
// finished, and every 30 seconds which tests are running. It exits as go test does.
//
//	go run ./scripts/gotest -race ./...
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// heartbeat is how often the running tests are named.
const heartbeat = 30 * time.Second

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		code = 1
	}
	os.Exit(code)
}

// run returns the exit code of go test.
func run(args []string, out io.Writer) (int, error) {
	// Ctrl-C, and the SIGQUIT of timeout(1), reach go test as well. What it says then is to be shown.
	signal.Ignore(os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM)
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	follow(events, newReport(out, time.Now()))
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		fmt.Fprintln(out, "FAIL")
		return max(exit.ExitCode(), 1), nil // a signal has no code
	}
	return 0, err
}

// follow has the report show events to their end, and now and then what is running.
func follow(events io.Reader, r *report) {
	var mu sync.Mutex // guards r
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case now := <-tick.C:
				mu.Lock()
				r.beat(now)
				mu.Unlock()
			case <-over:
				return
			}
		}
	}()
	in := bufio.NewReader(events) // lines may be of any length
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			mu.Lock()
			r.take(line)
			mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}
