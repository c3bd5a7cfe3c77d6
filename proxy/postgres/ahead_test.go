package postgres

import (
	"io"
	"testing"
	"time"

	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
)

// What a server said behind its login, and the login has read, comes before what it says then.
func TestOrigin_HearsWhatTheLoginHasReadAhead(t *testing.T) {
	w := startWorker(t)
	ours, theirs := tcpPair(t)
	goodbye := proxytest.ErrorResponse("SFATAL", "C57P01", "Mgoing away")
	o := newTestOrigin()
	if _, err := o.moveIn(t.Context(), &upstream.Conn{NC: ours, Ahead: goodbye}, 0, w); err != nil {
		t.Fatal(err)
	}
	_ = theirs.SetDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(theirs); err != nil || len(b) != 0 {
		t.Errorf("got %q, %v, want the end: the server has said goodbye", b, err)
	}
}
