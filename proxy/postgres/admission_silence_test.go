package postgres_test

import (
	"io"
	"net"
	"testing"
	"time"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// As PostgreSQL does: who sends no startup packet is told nothing.
func TestAdmission_NonsenseInPlaceOfAStartupPacketIsClosedInSilence(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 1, Options: new(rig.Captured).Capture})
	for _, said := range []string{"X\x00\x00\x00\x04", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x00\x00\x03\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
		for name, address := range map[string]string{"PostgreSQL": pg.Addr(), "the proxy": in.Address} {
			nc, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(rig.Patience))
			if _, err := nc.Write([]byte(said)); err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(nc); len(b) > 0 {
				t.Errorf("%s answers %q with %q", name, said, b)
			}
			nc.Close()
		}
	}
}

// A client may hand its own number to pg_terminate_backend: it must be nobody's.
func TestAdmission_TheNumberOfAClientIsThatOfNoProcess(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2})
	for range 3 {
		if pid := in.Connect(t, "postgres").PID(); pid < 1<<30 || pid >= 1<<31 {
			t.Errorf("the number is %d", pid)
		}
	}
}
