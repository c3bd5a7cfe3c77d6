package postgres_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// As a server sends it. A relay that holds the second of two pieces back, until the first is acknowledged, would take 40 ms longer.
func TestAdmission_TheEndOfSCRAMComesInOnePieceWithTheGreeting(t *testing.T) {
	t.Parallel()
	in := rig.Start(t, rig.Setup{Upstream: proxytest.SharedPostgres(t).Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		o.AuthMethod, o.Users = pgauth.MethodSCRAM, rig.UserList(t, map[string]string{"postgres": "sesame"})
	}})
	in.Connect(t, "postgres", rig.As("postgres", "sesame")) // the first one waits for a server to greet it
	c := in.Connect(t, "postgres", rig.As("postgres", "sesame"))
	if got := pieces(t, c.Conn()); got != 3 {
		t.Errorf("the login came in %d pieces, want 3: the methods, the challenge, and the signature with the greeting", got)
	}
}

// pieces is how many segments with data have come so far.
func pieces(t *testing.T, nc net.Conn) (n uint32) {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		n = info.Data_segs_in
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
