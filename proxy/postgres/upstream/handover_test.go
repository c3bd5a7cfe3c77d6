package upstream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
)

// hasty is a connection whose other side says everything as soon as it is spoken to, while the write is still under way: the
// write ends when what was said has been read, and a further read waits for more.
type hasty struct {
	net.Conn          // nil: nothing else is used
	said     [][]byte // what one read each brings
	waits    chan struct{}
	over     chan struct{} // closed while the deadline is in the past

	mu    sync.Mutex // guards said
	first sync.Once
}

func newHasty(said ...string) *hasty {
	h := &hasty{waits: make(chan struct{}), over: make(chan struct{})}
	for _, s := range said {
		h.said = append(h.said, []byte(s))
	}
	return h
}

func (h *hasty) Write(b []byte) (int, error) {
	<-h.waits
	return len(b), nil
}

func (h *hasty) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.said) > 0 {
		n := copy(b, h.said[0])
		if h.said[0] = h.said[0][n:]; len(h.said[0]) == 0 {
			h.said = h.said[1:]
		}
		return n, nil
	}
	h.first.Do(func() { close(h.waits) })
	<-h.over
	return 0, os.ErrDeadlineExceeded
}

func (h *hasty) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		close(h.over)
	}
	return nil
}

func (h *hasty) Close() error { return nil }

// While a write takes long pgconn reads in the background, and is at it still when the login is over. What it has read is
// handed over, and nobody but the new owner reads what comes.
func TestLogin_HandsOverWhatPgconnHasReadInTheBackground(t *testing.T) {
	const more, other = "S\x00\x00\x00\x0ba\x00b\x00", "and half a message"
	h := newHasty(good[:9], good[9:]+more, other)
	conn, err := login(h, someTarget, pgauth.NewCredential("app", pgauth.Secret{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(conn.Ahead); got != more+other {
		t.Errorf("got %q ahead, want %q", got, more+other)
	}
	if !h.mu.TryLock() {
		t.Error("somebody is reading still")
	}
}

func TestLogin_GivesUpAServerThatGoesOnSpeakingBehindIt(t *testing.T) {
	endless := []string{good}
	for range maxMessage/1000 + 2 {
		endless = append(endless, string(make([]byte, 1000)))
	}
	h := newHasty(endless...)
	if _, err := login(h, someTarget, pgauth.NewCredential("app", pgauth.Secret{})); !errors.Is(err, errWire) {
		t.Errorf("got %v, want it refused", err)
	}
}

// The bytes ahead come before what the connection reads.
func TestQuery_BeginsWithWhatWasReadAhead(t *testing.T) {
	conn := &Conn{NC: script(msg('D', "\x00\x01\x00\x00\x00\x01x")[3:], ready), Ahead: []byte("D\x00\x00")}
	rows, err := conn.Query("select")
	if err != nil || len(rows) != 1 || rows[0][0] != "x" {
		t.Errorf("got %q, %v", rows, err)
	}
	if _, err := io.ReadAll(conn.NC); err != nil {
		t.Error(err)
	}
}
