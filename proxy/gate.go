package proxy

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// This file bounds the connections that are not logged in yet. Each of them costs a descriptor and a goroutine, and its peer has
// proved nothing; until login_timeout it may just sit there.

const (
	// patienceAtGate is how long a connection may be on its way before it must give way to a newer one.
	patienceAtGate = 2 * time.Second
	// fewestAtGate is how many may be on their way, however few clients are let in.
	fewestAtGate = 100
	// ipv6Network is the part of an IPv6 address that its owner does not choose.
	ipv6Network = 64
)

// A gate knows the connections that are on their way in, by the address they come from. Those over Unix sockets are not counted.
type gate struct {
	mu sync.Mutex // guards the fields below

	most, mostPerAddress int // 0: no limit

	n         int
	addresses map[netip.Prefix]*arrivals
}

// arrivals are the connections of one address, the oldest first.
type arrivals struct {
	first, last *Arrival
	n           int
}

// An Arrival is a connection on its way in. A nil one is of a Unix socket, and is not counted.
type Arrival struct {
	gate       *gate
	from       netip.Prefix
	nc         net.Conn
	since      time.Time
	prev, next *Arrival
	gone       bool // it is in, or has ended, or gave way
	gaveWay    bool
}

func newGate() *gate { return &gate{addresses: make(map[netip.Prefix]*arrivals)} }

// setLimits changes how many may be on their way. Those who are stay.
func (g *gate) setLimits(maxClients, mostPerAddress int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most, g.mostPerAddress = 0, mostPerAddress
	if maxClients > 0 {
		g.most = max(maxClients, fewestAtGate)
	}
}

// enter counts a connection, or refuses it. Leave must be called. Where an address, or all together, have as many as they may, the
// connection that has been on its way for longest gives way: who means to log in has done so by then.
func (g *gate) enter(nc net.Conn, now time.Time) (*Arrival, error) {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	from := networkOf(tcp.AddrPort().Addr())
	own := g.addresses[from]
	if g.mostPerAddress > 0 && own != nil && own.n >= g.mostPerAddress && !own.first.giveWay(now, patienceAtGate) {
		return nil, full("sorry, too many clients of your address are logging in (limit %d)", g.mostPerAddress)
	}
	if g.most > 0 && g.n >= g.most && !g.makeRoom(own, now) {
		return nil, full("sorry, too many clients are logging in (limit %d)", g.most)
	}
	return g.add(&Arrival{gate: g, from: from, nc: nc, since: now}), nil
}

// size is how many are on their way.
func (g *gate) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// networkOf is what counts as one address: with IPv6 a whole network, since its owner may take any of its addresses.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = ipv6Network
	}
	p, _ := a.Prefix(bits) // the number of bits is right
	return p
}

// makeRoom has one connection give way to another of the address own, which may be nil. It is the oldest of the busiest address.
// An address that is less busy need not wait for it. It looks at each address that has a connection on its way, of which there are
// as many as there may be such connections at most.
func (g *gate) makeRoom(own *arrivals, now time.Time) bool {
	var busiest *arrivals
	for _, a := range g.addresses {
		if busiest == nil || a.n > busiest.n {
			busiest = a
		}
	}
	mine := 0
	if own != nil {
		mine = own.n
	}
	patience := patienceAtGate
	if busiest.n > mine+1 {
		patience = 0
	}
	return busiest.first.giveWay(now, patience)
}

// add puts an arrival behind the others of its address.
func (g *gate) add(t *Arrival) *Arrival {
	a := g.addresses[t.from]
	if a == nil {
		a = &arrivals{}
		g.addresses[t.from] = a
	}
	t.prev = a.last
	if a.last == nil {
		a.first = t
	} else {
		a.last.next = t
	}
	a.last = t
	a.n++
	g.n++
	return t
}

// giveWay ends a connection that has been on its way for long enough, and reports whether it has.
func (t *Arrival) giveWay(now time.Time, patience time.Duration) bool {
	if now.Sub(t.since) < patience {
		return false
	}
	t.gaveWay = true
	t.remove()
	_ = t.nc.SetDeadline(time.Unix(1, 0)) // its goroutine ends it
	return true
}

// Leave is for a connection that is in, or has ended. It reports whether it had to give way before.
func (t *Arrival) Leave() (gaveWay bool) {
	if t == nil {
		return false
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.remove()
	return t.gaveWay
}

// remove takes an arrival off the books, once.
func (t *Arrival) remove() {
	if t.gone {
		return
	}
	t.gone = true
	a := t.gate.addresses[t.from]
	if t.prev == nil {
		a.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		a.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.gate.n--
	if a.n--; a.n == 0 {
		delete(t.gate.addresses, t.from)
	}
}
