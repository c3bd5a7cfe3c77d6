package postgres_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// dialFrom opens a connection from an address of the loopback network.
func dialFrom(t *testing.T, address, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	nc, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// Connections that never log in take no client's place, and those of one address cannot keep the others out.
func TestAdmission_WhoOnlyConnectsKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.MaxClients, o.MaxLoginsPerAddress = 3, 0
	}})
	startup := proxytest.StartupMessage(proxytest.Login{User: "postgres"})
	for range 300 {
		nc := dialFrom(t, "127.0.0.66", in.Address)
		if _, err := nc.Write(startup[:6]); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if got := rig.Ask(t, in.Connect(t, "postgres"), "select 1"); got != "1" {
			t.Errorf("got %q", got)
		}
	}
	_, err := login(t, in)
	rig.WantState(t, err, "53300")
}

func TestAdmission_AnAddressWithTooManyLoginsIsToldSo(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: func(o *rig.Options) {
		new(rig.Captured).Capture(o)
		o.MaxLoginsPerAddress = 5
	}})
	var crowd []net.Conn
	for range 5 {
		crowd = append(crowd, in.Raw(t))
	}
	config, err := pgconn.ParseConfig("postgres://postgres@" + in.Address + "/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	if c, err := pgconn.ConnectConfig(t.Context(), config); err == nil {
		rig.CloseConn(c)
	} else {
		refused = err
	}
	rig.WantState(t, refused, "53300")
	// After a while those who say nothing give way.
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	for {
		c, err := pgconn.ConnectConfig(ctx, config)
		if err == nil {
			rig.CloseConn(c)
			break
		}
		rig.WantState(t, err, "53300")
		<-time.After(50 * time.Millisecond)
	}
	_ = crowd[0].SetReadDeadline(time.Now().Add(rig.Patience))
	if _, err := crowd[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the oldest is still there: %v", err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// A stingy listener has clients for whom no second descriptor is to be had.
type stingy struct{ net.Listener }

func (l stingy) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return stingyConn{nc.(*net.TCPConn)}, nil
}

type stingyConn struct{ *net.TCPConn }

func (stingyConn) SyscallConn() (syscall.RawConn, error) { return nil, syscall.EMFILE }

func TestAdmission_AClientThatNoLoopCanTakeIsToldSo(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "postgres", Size: 2, Options: new(rig.Captured).Capture})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = in.Server.Serve(stingy{l}, in.Proxy) }()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
		_, err := pgconn.Connect(ctx, "postgres://postgres@"+l.Addr().String()+"/postgres?sslmode=disable")
		cancel()
		rig.WantState(t, err, "53300")
	}
}
