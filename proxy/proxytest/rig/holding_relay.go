package rig

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A HoldingRelay is the proxy's way to the server. It counts the questions that go through, and holds one, or the answer to
// it, until the test lets go. So what the server has seen, and what the proxy knows of it, is certain.
type HoldingRelay struct {
	Address string // to connect to

	mu    sync.Mutex // guards the fields below
	asked []string   // the bodies of all Query, Parse and Bind messages
	holds []*QuestionHold
}

// A QuestionHold is a question that is held, or its answer.
type QuestionHold struct {
	marker  string // part of the question
	before  bool   // the server does not get it
	Reached chan struct{}
	free    chan struct{}
	once    sync.Once
	lost    atomic.Bool
}

// Release lets go. It may be called more than once.
func (h *QuestionHold) Release() { h.once.Do(func() { close(h.free) }) }

// Cut breaks the connection on which an answer is held.
func (h *QuestionHold) Cut() {
	h.lost.Store(true)
	h.Release()
}

// StartHoldingRelay runs a relay to server until the test ends.
func StartHoldingRelay(t *testing.T, server string) *HoldingRelay {
	t.Helper()
	r := new(HoldingRelay)
	r.Address = AcceptEach(t, func(from net.Conn) { r.serve(from, server) })
	return r
}

// HoldAnswer holds the answer to the next question that has marker in it, once the server has given it.
func (r *HoldingRelay) HoldAnswer(t *testing.T, marker string) *QuestionHold {
	t.Helper()
	return r.hold(t, marker, false)
}

// HoldQuestion holds the next question that has marker in it, and all that follows it.
func (r *HoldingRelay) HoldQuestion(t *testing.T, marker string) *QuestionHold {
	t.Helper()
	return r.hold(t, marker, true)
}

func (r *HoldingRelay) hold(t *testing.T, marker string, before bool) *QuestionHold {
	h := &QuestionHold{marker: marker, before: before, Reached: make(chan struct{}), free: make(chan struct{})}
	t.Cleanup(h.Release)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = append(r.holds, h)
	return h
}

// Count returns how many questions with marker in them have come.
func (r *HoldingRelay) Count(marker string) int {
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
func (r *HoldingRelay) note(typ byte, body []byte) *QuestionHold {
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
func (r *HoldingRelay) serve(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	var held atomic.Pointer[QuestionHold]
	go func() {
		defer to.Close()
		_ = r.questions(to, from, &held)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := to.Read(buf)
		if h := held.Swap(nil); h != nil && n > 0 {
			close(h.Reached)
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
func (r *HoldingRelay) questions(to io.Writer, from io.Reader, held *atomic.Pointer[QuestionHold]) error {
	for typed := 0; ; typed = 1 {
		message, err := ReadMessage(from, typed)
		if err != nil {
			return err
		}
		if h := r.note(message[0], message[typed+4:]); h != nil && h.before {
			close(h.Reached)
			<-h.free
		} else if h != nil {
			held.Store(h)
		}
		if _, err := to.Write(message); err != nil {
			return err
		}
	}
}
