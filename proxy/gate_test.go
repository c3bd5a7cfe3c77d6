package proxy

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// A comer is a connection that only knows where it comes from, and whether its time is up.
type comer struct {
	net.Conn
	from  net.Addr
	ended bool
}

func (c *comer) RemoteAddr() net.Addr          { return c.from }
func (c *comer) SetDeadline(t time.Time) error { c.ended = t.Before(time.Now()); return nil }

func from(address string) *comer {
	return &comer{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 4711))}
}

// wantGate checks that the gate lets a connection of the address pass, or not, at a time.
func wantGate(t *testing.T, g *gate, address string, now time.Time, want bool) (*comer, *Arrival) {
	t.Helper()
	c := from(address)
	a, err := g.enter(c, now)
	var full *FullError
	if (err == nil) != want || err != nil && !errors.As(err, &full) {
		t.Fatalf("%s: got %v, want it let in: %v", address, err, want)
	}
	return c, a
}

func TestGate_OldestOfAnAddressGivesWay(t *testing.T) {
	g, now := gateFor(0, 2), time.Now()
	first, a := wantGate(t, g, "192.0.2.1", now, true)
	second, _ := wantGate(t, g, "192.0.2.1", now.Add(time.Second), true)
	wantGate(t, g, "192.0.2.1", now.Add(time.Second), false) // the first may yet log in
	wantGate(t, g, "192.0.2.2", now.Add(time.Second), true)  // another address is not concerned
	wantGate(t, g, "192.0.2.1", now.Add(patienceAtGate), true)
	if !first.ended || second.ended || !a.Leave() {
		t.Errorf("ended: first %v, second %v; want the first alone", first.ended, second.ended)
	}
	wantGate(t, g, "192.0.2.1", now.Add(patienceAtGate), false)
}

func TestGate_WhoIsInMakesRoom(t *testing.T) {
	g, now := gateFor(0, 1), time.Now()
	for range 5 {
		_, a := wantGate(t, g, "192.0.2.1", now, true)
		wantGate(t, g, "192.0.2.1", now, false)
		if a.Leave() || a.Leave() {
			t.Error("gave way to nobody")
		}
	}
	if g.n != 0 || len(g.addresses) != 0 {
		t.Errorf("%d connections of %d addresses are left, want none", g.n, len(g.addresses))
	}
}

// One address cannot keep all others out, not even for a moment.
func TestGate_BusiestAddressGivesWayToOthersAtOnce(t *testing.T) {
	g, now := gateFor(1, 0), time.Now()
	var crowd []*comer
	for range fewestAtGate {
		c, _ := wantGate(t, g, "192.0.2.66", now, true)
		crowd = append(crowd, c)
	}
	wantGate(t, g, "192.0.2.66", now, false)
	wantGate(t, g, "192.0.2.1", now, true)
	if !crowd[0].ended || crowd[1].ended {
		t.Error("want the oldest of the crowd to give way, and nobody else")
	}
	wantGate(t, g, "192.0.2.66", now, false)
	if g.n != fewestAtGate {
		t.Errorf("%d connections are counted, want %d", g.n, fewestAtGate)
	}
}

func TestGate_CountsNetworksOfIPv6AndNoUnixSockets(t *testing.T) {
	g, now := gateFor(0, 1), time.Now()
	wantGate(t, g, "2001:db8::1", now, true)
	wantGate(t, g, "2001:db8::ffff:ffff:ffff:ffff", now, false)
	wantGate(t, g, "2001:db8:0:1::1", now, true)
	wantGate(t, g, "192.0.2.1", now, true)
	wantGate(t, g, "::ffff:192.0.2.1", now, false)
	for range 3 {
		a, err := g.enter(&comer{from: &net.UnixAddr{Net: "unix"}}, now)
		if err != nil || a.Leave() {
			t.Errorf("Unix socket: %v", err)
		}
	}
}

func gateFor(maxClients, mostPerAddress int) *gate {
	g := newGate()
	g.setLimits(maxClients, mostPerAddress)
	return g
}
