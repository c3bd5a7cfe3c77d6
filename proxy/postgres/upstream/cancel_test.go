package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// isRunning makes sure that the server has begun the pg_sleep that a connection asked for.
func isRunning(t *testing.T, p *postgres, pid uint32) {
	t.Helper()
	awaitEvent(t, p, pid, "PgSleep")
}

// awaitEvent makes sure that a process of the server waits for an event.
func awaitEvent(t *testing.T, p *postgres, pid uint32, event string) {
	t.Helper()
	watcher, err := connect(t, p.target(t, "postgres", "disable", ""))
	if err != nil {
		t.Fatal(err)
	}
	const wait = `DO $$ BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %PID AND wait_event = '%EVENT') LOOP
			PERFORM pg_stat_clear_snapshot();
		END LOOP;
	END $$`
	if err := query(watcher, strings.NewReplacer("%PID", strconv.Itoa(int(pid)), "%EVENT", event).Replace(wait)); err != nil {
		t.Fatal(err)
	}
}

func TestCancel_InterruptsAndReturnsOnceTheSignalIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		server *postgres
		mode   string
	}{
		"plain":           {serverWithTLS(t), "disable"},
		"TLS":             {serverWithTLS(t), "require"},
		"prefer, has TLS": {serverWithTLS(t), "prefer"},
		"prefer, has not": {serverWithoutTLS(t), "prefer"},
		"allow":           {serverWithoutTLS(t), "allow"},
	} {
		target := c.server.target(t, "trusted", c.mode, "")
		conn, err := connect(t, target)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		slept := make(chan error, 1)
		go func() { slept <- query(conn, "SELECT pg_sleep(60)") }()
		isRunning(t, c.server, conn.PID)
		if err := (&Dialer{Target: target}).Cancel(t.Context(), conn.PID, conn.Secret); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := <-slept; codeOf(err) != "57014" {
			t.Errorf("%s: pg_sleep ended with %v, want SQLSTATE 57014", name, err)
		}
		// The signal is spent: the next query runs.
		if err := query(conn, "SELECT 1"); err != nil {
			t.Errorf("%s: query after the cancelled one: %v", name, err)
		}
	}
}

func TestCancel_WithTheWrongSecretInterruptsNothing(t *testing.T) {
	p := serverWithTLS(t)
	target := p.target(t, "trusted", "disable", "")
	conn, err := connect(t, target)
	if err != nil {
		t.Fatal(err)
	}
	holder, err := connect(t, target)
	if err != nil {
		t.Fatal(err)
	}
	const lock = "SELECT pg_advisory_lock(7)"
	if err := query(holder, lock); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() { waited <- query(conn, lock) }()
	awaitEvent(t, p, conn.PID, "advisory")
	wrong := []byte{conn.Secret[0] ^ 1, conn.Secret[1], conn.Secret[2], conn.Secret[3]}
	if err := (&Dialer{Target: target}).Cancel(t.Context(), conn.PID, wrong); err != nil {
		t.Error(err)
	}
	if err := query(holder, "SELECT pg_advisory_unlock(7)"); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("the wait for a lock ended with %v", err)
	}
}

func TestCancel_ReturnsNotBeforeTheServerHangsUp(t *testing.T) {
	listener, target := listen(t)
	finished := make(chan error, 1)
	go func() { finished <- (&Dialer{Target: target}).Cancel(t.Context(), 7, []byte("four")) }()
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	request := make([]byte, 16)
	if _, err := io.ReadFull(nc, request); err != nil {
		t.Fatal(err)
	}
	if got, want := string(request), "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x07four"; got != want {
		t.Errorf("request: got %q, want %q", got, want)
	}
	// Had it returned, it would have hung up.
	_ = nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := nc.Read(request); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server was still busy, and the connection: got %v, want it open", err)
	}
	_ = nc.Close()
	if err := <-finished; err != nil {
		t.Error(err)
	}
}

func TestCancel_IsBoundedByItsContext(t *testing.T) {
	_, target := listen(t) // accepts in the kernel and never answers
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := (&Dialer{Target: target}).Cancel(ctx, 7, []byte("four"))
	if err == nil || Permanent(err) || ctx.Err() == nil {
		t.Errorf("got %v, want the end of the context", err)
	}
}

func TestCancel_RefusesAnImpossibleSecret(t *testing.T) {
	d := &Dialer{}
	for _, n := range []int{0, 3, 257} {
		if err := d.Cancel(t.Context(), 1, make([]byte, n)); err == nil {
			t.Errorf("%d bytes of secret: got no error", n)
		}
	}
}

// listen returns a listener and the plain target that leads to it.
func listen(t *testing.T) (net.Listener, Target) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, Target{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "app", Password: "secret", SSLMode: SSLDisable}
}
