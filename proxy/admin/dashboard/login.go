package dashboard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// wrongPause is how long somebody who gave a wrong password has to wait for the answer, and his address for the next try.
	wrongPause = time.Second
	// maxTries is how many addresses may try at a time.
	maxTries = 8
	// maxKnown is how many logins that were right are remembered. A page sends its own with every question.
	maxKnown = 100
)

// A door is the accounts that count, with the logins that they have let in. It is left behind when the accounts change.
type door struct {
	Accounts
	key   [sha256.Size]byte
	mu    sync.Mutex // guards known
	known map[[sha256.Size]byte]Role
}

func newDoor(a Accounts) *door {
	d := &door{Accounts: a, known: make(map[[sha256.Size]byte]Role)}
	_, _ = rand.Read(d.key[:]) // never fails
	return d
}

// trace is what is remembered of a login: nobody who reads it learns the password.
func (d *door) trace(user, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, d.key[:])
	mac.Write([]byte(user + "\x00" + password))
	mac.Sum(sum[:0])
	return sum
}

func (d *door) remembered(trace [sha256.Size]byte) Role {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[trace]
}

func (d *door) remember(trace [sha256.Size]byte, role Role) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxKnown {
		clear(d.known)
	}
	d.known[trace] = role
}

// tries are the logins that are being tried: one of each address, and few in all. Checking a password costs a millisecond of processor, or far
// more where the verifier says so.
type tries struct {
	pause time.Duration
	mu    sync.Mutex // guards busy
	busy  map[string]bool
}

// login says who somebody is. It returns false if nothing could be tried. After a wrong password it waits.
func (t *tries) login(r *http.Request, d *door, user, password string) (role Role, tried bool) {
	trace := d.trace(user, password)
	if role := d.remembered(trace); role != Nobody {
		return role, true
	}
	address := origin(r.RemoteAddr)
	if !t.enter(address) {
		return Nobody, false
	}
	role = d.Check(user, password)
	if role != Nobody {
		t.leave(address)
		d.remember(trace, role)
		return role, true
	}
	time.AfterFunc(t.pause, func() { t.leave(address) }) // whoever hangs up meanwhile gains nothing
	select {
	case <-time.After(t.pause):
	case <-r.Context().Done():
	}
	return Nobody, true
}

func (t *tries) enter(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[address] || len(t.busy) >= maxTries {
		return false
	}
	if t.busy == nil {
		t.busy = make(map[string]bool)
	}
	t.busy[address] = true
	return true
}

func (t *tries) leave(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, address)
}

// networkBits is how much of an IPv6 address is one customer's.
const networkBits = 64

// origin is where somebody comes from: an address, or a network of IPv6.
func origin(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, _ := ip.WithZone("").Prefix(networkBits) // never fails
	return network.String()
}
