package checklist_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// A injectingRelay is the proxy's way to the server. Behind the first row of an answer it can put what servers say there once in a
// blue moon, or break the connection off.
type injectingRelay struct {
	address string // to connect to

	mu     sync.Mutex // guards the fields below
	marker string     // of the question whose answer is meant
	behind []byte     // what comes behind its first row; nil: the end
}

func startInjectingRelay(t *testing.T, server string) *injectingRelay {
	t.Helper()
	r := new(injectingRelay)
	r.address = rig.AcceptEach(t, func(from net.Conn) { r.serve(from, server) })
	return r
}

// interfere has what is behind said once, to the next question with marker in it. The marker is what no question of the proxy's own
// has: it looks at the catalog over the same relay.
func (r *injectingRelay) interfere(marker string, behind []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marker, r.behind = marker, behind
}

// asked says whether a message of a client is the question that is meant.
func (r *injectingRelay) asked(message []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marker == "" || !strings.Contains(string(message), r.marker) {
		return false
	}
	r.marker = ""
	return true
}

// serve passes one connection on until either side has enough.
func (r *injectingRelay) serve(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	var meant atomic.Bool
	go func() {
		defer to.Close()
		for typed := 0; ; typed = 1 { // the first message has no type
			message, err := rig.ReadMessage(from, typed)
			if err != nil {
				return
			}
			if r.asked(message) {
				meant.Store(true)
			}
			if _, err := to.Write(message); err != nil {
				return
			}
		}
	}()
	for {
		message, err := rig.ReadMessage(to, 1)
		if err != nil {
			return
		}
		if message[0] == 'D' && meant.Swap(false) {
			r.mu.Lock()
			behind := r.behind
			r.mu.Unlock()
			if behind == nil {
				_, _ = from.Write(message)
				return
			}
			message = append(message, behind...)
		}
		if _, err := from.Write(message); err != nil {
			return
		}
	}
}

// startInjected is a bench whose proxy reaches the server through a relay.
func startInjected(t *testing.T, name, sql string) (*rig.PairBench, *injectingRelay) {
	t.Helper()
	pg := rig.NewDatabase(t, name, sql)
	relay := startInjectingRelay(t, pg.Addr())
	return rig.StartPairsAt(t, pg, relay.address, name), relay
}

// notKept has the relay say behind in the middle of an answer, in each form, and fails the test unless the client who asked
// hears it, once, and the next one gets an answer of the server's own without it.
func notKept(t *testing.T, b *rig.PairBench, relay *injectingRelay, behind []byte) {
	t.Helper()
	for form, ask := range map[string]func(sql string) [][]byte{
		"simple":   func(sql string) [][]byte { return [][]byte{proxytest.Query(sql)} },
		"extended": func(sql string) [][]byte { return [][]byte{rig.QueryUnit(sql), proxytest.Sync()} },
	} {
		sql := "select a, '" + form + "' from t order by a"
		first := b.Dial(t, proxytest.Login{User: "postgres", Database: b.Database})
		relay.interfere("'"+form+"'", behind)
		got, err := first.Ask(ask(sql)...)
		if strings.Count(string(rig.BytesOf(got)), string(behind)) != 1 || err != nil {
			t.Errorf("%s: who asked got %v, %v, want one %q in it", form, got, err, behind)
		}
		second := b.Wires(t)
		second.Same(t, ask(sql)...)
		if word := second.Status(t); word != "miss" {
			t.Errorf("%s: the next client's status is %s, want miss", form, word)
		}
		second.Hits(t, ask(sql)...)
	}
}
