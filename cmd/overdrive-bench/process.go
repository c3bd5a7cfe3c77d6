package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest/pglocal"
)

const (
	readyTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
	pollEvery    = 20 * time.Millisecond
)

// process is a program that we started.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

func startProcess(log, program string, args ...string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we stop it
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait()
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process, by force if it does not heed SIGTERM.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// await polls ready until it succeeds, the process ends or the time is over.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			err = errors.New("it ended at once")
		case <-ctx.Done():
		case <-tick.C:
			continue
		}
		said, _ := os.ReadFile(p.log)
		return fmt.Errorf("not ready: %w\n%s", err, said)
	}
}

// awaitSQL waits until a query is answered on port, secure if that asks for TLS and a password.
func (p *process) awaitSQL(ctx context.Context, port int, secure bool) error {
	return p.await(ctx, func(ctx context.Context) error {
		conn, err := connect(ctx, port, secure)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "select 1").ReadAll()
		return err
	})
}

func connect(ctx context.Context, port int, secure bool) (*pgconn.PgConn, error) {
	dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s ", port, pglocal.Superuser, database)
	if secure {
		return pgconn.Connect(ctx, dsn+"sslmode=require password='"+loginPassword+"'")
	}
	return pgconn.Connect(ctx, dsn+"sslmode=disable")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// findProgram returns the path of a program, installing the Debian package that has it if that is allowed.
func findProgram(program, debianPackage string) (string, error) {
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s was not found: install it (Debian: apt-get install %s)", program, debianPackage)
	}
	fmt.Fprintln(os.Stderr, "installing", debianPackage)
	for _, args := range [][]string{{"update", "-q"}, {"install", "-qy", "--no-install-recommends", debianPackage}} {
		cmd := exec.Command("apt-get", args...)
		// In run level 1 the package does not start a server of its own.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

func itoa(n int) string { return strconv.Itoa(n) }
