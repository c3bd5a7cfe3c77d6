package upstream

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func option(t *testing.T, nc net.Conn, level, name int) int {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	value := 0
	if failed := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, name) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return value
}

// All sockets are opened by tryOnce, those of cancel requests and of the keeper of the catalog, too.
func TestDial_SetsHowAVanishedServerIsNoticed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		name     string
		vanished Vanished
		want     [5]int // SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT
	}{
		{"usual", Vanished{}, [5]int{1, 15, 5, 3, 0}},
		{"own", Vanished{Idle: 7 * time.Second, Interval: 2 * time.Second, Count: 9, UserTimeout: 1500 * time.Millisecond},
			[5]int{1, 7, 2, 9, 1500}},
	} {
		target := Target{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, SSLMode: SSLDisable, Vanished: c.vanished}
		var got [5]int
		err := (&Dialer{Target: target}).try(t.Context(), func(nc net.Conn) error {
			defer nc.Close()
			got = [5]int{
				option(t, nc, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE), option(t, nc, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE),
				option(t, nc, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL), option(t, nc, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT),
				option(t, nc, syscall.IPPROTO_TCP, tcpUserTimeout),
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	off := Target{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, SSLMode: SSLDisable, Vanished: Vanished{Off: true}}
	_ = (&Dialer{Target: off}).try(t.Context(), func(nc net.Conn) error {
		defer nc.Close()
		if option(t, nc, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) != 0 {
			t.Error("keepalives=0 probes all the same")
		}
		return nil
	})
}
