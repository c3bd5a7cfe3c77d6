package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// asProgram in the environment makes this test binary be the program, for tests that need a process of its own.
const asProgram = "OVERDRIVE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(proxytest.Main(m))
}

// result is what a finished run of the program left.
type result struct {
	code        int
	out, errOut string
}

// runToEnd runs the program in this process until it ends.
func runToEnd(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// A service is a running `overdrive serve`.
type service struct {
	t     *testing.T
	lines chan map[string]any // of the log; closed at its end

	address, health string // as the log says
}

// newService follows the log of a service until it listens.
func newService(t *testing.T, log io.Reader) *service {
	s := &service{t: t, lines: make(chan map[string]any, 1000)}
	go s.follow(log)
	s.health, _ = s.await("health")["address"].(string)
	s.address, _ = s.await("listening")["address"].(string)
	return s
}

// follow reads the log to its end.
func (s *service) follow(log io.Reader) {
	defer close(s.lines)
	for in := bufio.NewScanner(log); in.Scan(); {
		line := map[string]any{}
		if json.Unmarshal(in.Bytes(), &line) != nil {
			line["msg"] = in.Text()
		}
		s.lines <- line
	}
}

// await returns the next line of the log that has this message.
func (s *service) await(message string) map[string]any {
	s.t.Helper()
	var seen []string
	for line := range s.lines {
		text, _ := line["msg"].(string)
		if text == message {
			return line
		}
		seen = append(seen, text)
	}
	s.t.Fatalf("the program ended without the line %q, after\n%s", message, strings.Join(seen, "\n"))
	return nil
}

// anywhere makes a service listen on free ports and log what newService reads.
func anywhere(args []string) []string {
	return append([]string{"serve", "--listen=127.0.0.1:0", "--http=127.0.0.1:0", "--log-format=json"}, args...)
}

// serveHere runs `overdrive serve` in this process. stop ends it and wants exit code 0; the test's end calls it.
func serveHere(t *testing.T, args ...string) (s *service, stop func()) {
	t.Helper()
	return serveWith(t, anywhere(args))
}

// serveConfigured is serveHere for a file that says where to listen, and that the log is JSON.
func serveConfigured(t *testing.T, path string) (s *service, stop func()) {
	t.Helper()
	return serveWith(t, []string{"serve", "--config", path})
}

func serveWith(t *testing.T, args []string) (s *service, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	log, logEnd := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, args, io.Discard, logEnd)
		logEnd.Close()
	}()
	stop = func() {
		if ctx.Err() != nil {
			return
		}
		cancel()
		if code := <-exit; code != exitDone {
			t.Errorf("serve: exit code %d", code)
		}
	}
	t.Cleanup(stop)
	return newService(t, log), stop
}

// serveApart runs `overdrive serve` in a process of its own.
func serveApart(t *testing.T, args ...string) (*service, *exec.Cmd) {
	t.Helper()
	cmd := exec.Command(os.Args[0], anywhere(args)...)
	return newService(t, startApart(t, cmd)), cmd
}

// startApart starts cmd, which runs this test's binary as the program, and returns its log. The process ends with the test.
func startApart(t *testing.T, cmd *exec.Cmd) (log io.Reader) {
	t.Helper()
	cmd.Env = append(os.Environ(), asProgram+"=1")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return log
}

// terminate sends SIGTERM.
func terminate(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// login connects as a client and fails the test if it is not let in.
func login(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// query returns the columns of the first row, separated by spaces.
func query(t *testing.T, conn *pgconn.PgConn, sql string) string {
	t.Helper()
	row, err := firstRow(t.Context(), conn, sql)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(row, " ")
}

// file writes text into a file of the test's directory and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
