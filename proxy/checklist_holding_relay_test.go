package proxy_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A holdingRelay is the proxy's way to the server. It counts the questions that go through, and holds one, or the answer to
// it, until the test lets go. So what the server has seen, and what the proxy knows of it, is certain.
type holdingRelay struct {
	address string // to connect to

	mu    sync.Mutex // guards the fields below
	asked []string   // the bodies of all Query, Parse and Bind messages
	holds []*questionHold
}

// A questionHold is a question that is held, or its answer.
type questionHold struct {
	marker  string // part of the question
	before  bool   // the server does not get it
	reached chan struct{}
	free    chan struct{}
	once    sync.Once
	lost    atomic.Bool
}

// release lets go. It may be called more than once.
func (h *questionHold) release() { h.once.Do(func() { close(h.free) }) }

// cut breaks the connection on which an answer is held.
func (h *questionHold) cut() {
	h.lost.Store(true)
	h.release()
}

func startHoldingRelay(t *testing.T, server string) *holdingRelay {
	t.Helper()
	r := new(holdingRelay)
	r.address = acceptEach(t, func(from net.Conn) { r.serve(from, server) })
	return r
}

// holdAnswer holds the answer to the next question that has marker in it, once the server has given it.
func (r *holdingRelay) holdAnswer(t *testing.T, marker string) *questionHold {
	t.Helper()
	return r.hold(t, marker, false)
}

// holdQuestion holds the next question that has marker in it, and all that follows it.
func (r *holdingRelay) holdQuestion(t *testing.T, marker string) *questionHold {
	t.Helper()
	return r.hold(t, marker, true)
}

func (r *holdingRelay) hold(t *testing.T, marker string, before bool) *questionHold {
	h := &questionHold{marker: marker, before: before, reached: make(chan struct{}), free: make(chan struct{})}
	t.Cleanup(h.release)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = append(r.holds, h)
	return h
}

// count returns how many questions with marker in them have come.
func (r *holdingRelay) count(marker string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, q := range r.asked {
		if strings.Contains(q, marker) {
			n++
		}
	}
	return n
}

// note counts a message and takes the hold that is meant by it.
func (r *holdingRelay) note(typ byte, body []byte) *questionHold {
	if typ != 'Q' && typ != 'P' && typ != 'B' {
		return nil
	}
	text := string(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, text)
	for i, h := range r.holds {
		if strings.Contains(text, h.marker) {
			r.holds = append(r.holds[:i:i], r.holds[i+1:]...)
			return h
		}
	}
	return nil
}

// serve passes one connection on until either side has enough.
func (r *holdingRelay) serve(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	var held atomic.Pointer[questionHold]
	go func() {
		defer to.Close()
		_ = r.questions(to, from, &held)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := to.Read(buf)
		if h := held.Swap(nil); h != nil && n > 0 {
			close(h.reached)
			<-h.free
			if h.lost.Load() {
				return
			}
		}
		if _, write := from.Write(buf[:n]); err != nil || write != nil {
			return
		}
	}
}

// questions copies messages to the server. The first has no type; a cancel request is nothing but that.
func (r *holdingRelay) questions(to io.Writer, from io.Reader, held *atomic.Pointer[questionHold]) error {
	for typed := 0; ; typed = 1 {
		message, err := readMessage(from, typed)
		if err != nil {
			return err
		}
		if h := r.note(message[0], message[typed+4:]); h != nil && h.before {
			close(h.reached)
			<-h.free
		} else if h != nil {
			held.Store(h)
		}
		if _, err := to.Write(message); err != nil {
			return err
		}
	}
}
