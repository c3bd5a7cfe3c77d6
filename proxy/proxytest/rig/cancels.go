package rig

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// Asking runs sql in the background.
func Asking(t *testing.T, c *pgconn.PgConn, sql string) (answer <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := Try(t.Context(), c, sql)
		done <- err
	}()
	return done
}

// KeyOf finds the cancel key in a login.
func KeyOf(login []proxytest.Message) []byte {
	for _, m := range login {
		if m.Type == 'K' {
			return m.Body
		}
	}
	return nil
}

// SendCancel sends a CancelRequest and waits until the proxy has hung up.
func SendCancel(tb testing.TB, in *Instance, key []byte) {
	tb.Helper()
	nc := in.Raw(tb)
	if _, err := nc.Write(Opener(CancelRequest, key...)); err != nil {
		tb.Fatal(err)
	}
	if got, err := io.ReadAll(nc); len(got) > 0 || err != nil && !IsReset(err) {
		tb.Fatalf("got %q, %v in answer to a cancel request, want the end", got, err)
	}
}

// Raw connects without a word and with a deadline for all that follows.
func (in *Instance) Raw(tb testing.TB) net.Conn {
	tb.Helper()
	nc, err := net.Dial("tcp", in.Address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(Patience)); err != nil {
		tb.Fatal(err)
	}
	return nc
}

// IsReset says whether a connection was reset, and did not merely run out of time.
func IsReset(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && !e.Timeout() && !errors.Is(err, os.ErrDeadlineExceeded)
}
