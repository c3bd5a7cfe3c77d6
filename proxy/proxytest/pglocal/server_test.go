package pglocal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func start(t *testing.T, opts Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), opts)
	if errors.Is(err, ErrNoBinaries) {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

func TestServer_KeepsItsPortAndDataOverARestart(t *testing.T) {
	s := start(t, Options{MaxConnections: 17, Settings: map[string]string{"work_mem": "5MB"}})
	ctx := t.Context()
	if err := s.Exec(ctx, "postgres", "create table kept as select 1 as one"); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr()
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Errorf("address: got %s, want %s", s.Addr(), addr)
	}
	conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	const sql = "select one, current_setting('max_connections'), current_setting('work_mem') from kept"
	rows, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, column := range rows[0].Rows[0] {
		got += string(column) + " "
	}
	if want := "1 17 5MB "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestServer_LeavesNothingBehind(t *testing.T) {
	s := start(t, Options{})
	pid := s.process.cmd.Process.Pid
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", s.dir, err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	template.Lock()
	defer template.Unlock()
	if template.uses != 0 || template.dir != "" {
		t.Errorf("the template is still there: %d uses of %q", template.uses, template.dir)
	}
}

func TestServer_PutsItsHBALinesIntoForce(t *testing.T) {
	s := start(t, Options{HBA: []string{"host all all 127.0.0.1/32 scram-sha-256"}})
	if err := s.Exec(t.Context(), "postgres", "create role app login password 'pw'"); err != nil {
		t.Fatal(err)
	}
	dsn := strings.Replace(s.DSN("postgres"), "postgres@", "app:pw@", 1)
	conn, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	if _, err := pgconn.Connect(t.Context(), strings.Replace(dsn, ":pw@", ":no@", 1)); err == nil {
		t.Error("a wrong password was let in")
	}
}

func TestServer_SaysWhyItDidNotStart(t *testing.T) {
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the server's own words", err)
	}
}

// The test runs itself as another process, which starts a server and dies without stopping it.
func TestServer_DiesWithItsProcess(t *testing.T) {
	if os.Getenv("PGLOCAL_DIE") != "" {
		s, err := Start(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("left:", s.dir, s.template, s.Addr())
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "PGLOCAL_DIE=1")
	out, _ := cmd.Output() // it dies by a signal
	_, after, _ := strings.Cut(string(out), "left: ")
	left := strings.Fields(after)
	if len(left) != 3 {
		t.Fatalf("the child said %q", out)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for range 1000 {
		_, dirErr := os.Stat(left[0])
		_, templateErr := os.Stat(left[1])
		conn, dialErr := net.Dial("tcp", left[2])
		if dirErr != nil && templateErr != nil && dialErr != nil {
			return
		}
		if dialErr == nil {
			conn.Close()
		}
		<-tick.C
	}
	t.Errorf("%v outlived the process", left)
}
