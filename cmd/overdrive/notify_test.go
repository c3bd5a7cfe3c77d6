package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serviceManager stands for systemd: it hears what the program tells.
func serviceManager(t *testing.T) (path string, heard *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "manager") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "notify")
	heard, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		heard.Close()
		os.RemoveAll(dir)
	})
	return path, heard
}

// hear returns the next message, but for those of the watchdog if want is another.
func hear(t *testing.T, from *net.UnixConn, want string) string {
	t.Helper()
	_ = from.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		got := string(buf[:n])
		if got == "WATCHDOG=1" && want != got {
			continue
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		return got
	}
}

func TestServe_TellsTheServiceManagerWhatItDoes(t *testing.T) {
	path, heard := serviceManager(t)
	conf := file(t, "o.yaml", reloadable(t, "one"))
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	s, cmd := serveApart(t, "--config", conf, "--limits-shutdown-timeout=7s")
	hear(t, heard, "READY=1\nSTATUS=serving")
	hear(t, heard, "WATCHDOG=1")
	hear(t, heard, "WATCHDOG=1") // it goes on

	_ = cmd.Process.Signal(syscall.SIGHUP)
	got := hear(t, heard, "RELOADING=1\n")
	if !regexp.MustCompile(`(?m)^MONOTONIC_USEC=\d+$`).MatchString(got) && isLinux() {
		t.Errorf("systemd cannot tell this reload from others: %q", got)
	}
	hear(t, heard, "READY=1\nSTATUS=serving")

	rewrite(t, conf, "nonsense: 1\n")
	_ = cmd.Process.Signal(syscall.SIGHUP)
	hear(t, heard, "RELOADING=1\n")
	hear(t, heard, "READY=1\nSTATUS=the last reload failed")

	terminate(t, cmd)
	for { // the changed file is seen once more, sooner or later
		if got = hear(t, heard, ""); strings.HasPrefix(got, "STOPPING=1\n") {
			break
		}
	}
	if want := "EXTEND_TIMEOUT_USEC=17000000"; !strings.Contains(got, want) {
		t.Errorf("heard %q, want %s", got, want)
	}
	s.await("stopped")
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func isLinux() bool { _, err := os.Stat("/proc/self"); return err == nil }

func TestWatchdog_HearsNothingOfAProgramThatStandsStill(t *testing.T) {
	path, heard := serviceManager(t)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000")
	m := manager{slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	asked, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		m.keepWatched(ctx, func(limit context.Context) error {
			<-limit.Done()
			asked <- struct{}{}
			return errors.New("stands still")
		})
	}()
	for range 5 {
		<-asked
	}
	_ = heard.SetReadDeadline(time.Now())
	if n, err := heard.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes were said of a program that stands still", n)
	}
	cancel()
	for done := false; !done; {
		select {
		case <-asked:
		case <-over:
			done = true
		}
	}
	again, stop := context.WithCancel(t.Context())
	defer stop()
	go m.keepWatched(again, func(context.Context) error { return nil })
	hear(t, heard, "WATCHDOG=1")
}

func TestWatchdog_IsNotServedWhereThereIsNone(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	m := manager{slog.New(slog.DiscardHandler)}
	m.keepWatched(t.Context(), func(context.Context) error { t.Error("asked"); return nil })
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()+1)) // another process's
	m.keepWatched(t.Context(), func(context.Context) error { t.Error("asked"); return nil })
}
