package loop

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Wrap makes nc fit to be put under a tls.Conn that is to be adopted later. Until then it behaves as nc does; after that
// it carries the tls.Conn's records between it and the loop, and is of no use to anybody else.
func Wrap(nc net.Conn) net.Conn {
	if w, ok := nc.(*wrapped); ok {
		return w
	}
	return &wrapped{Conn: nc}
}

// wrapped is the transport under a tls.Conn: the net.Conn while t is nil, the loop's afterwards.
type wrapped struct {
	net.Conn
	t *tlsState
}

func (w *wrapped) Read(b []byte) (int, error) {
	if w.t != nil {
		return w.t.readRecords(b)
	}
	return w.Conn.Read(b)
}

func (w *wrapped) Write(b []byte) (int, error) {
	if w.t != nil {
		return w.t.writeRecords(b)
	}
	return w.Conn.Write(b)
}

// After adoption crypto/tls still sets deadlines around close_notify. They have no meaning on a loop.

func (w *wrapped) SetDeadline(t time.Time) error {
	if w.t != nil {
		return nil
	}
	return w.Conn.SetDeadline(t)
}

func (w *wrapped) SetReadDeadline(t time.Time) error {
	if w.t != nil {
		return nil
	}
	return w.Conn.SetReadDeadline(t)
}

func (w *wrapped) SetWriteDeadline(t time.Time) error {
	if w.t != nil {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}

func (w *wrapped) Close() error {
	if w.t != nil {
		return nil // the Conn closes the socket
	}
	return w.Conn.Close()
}

// errWouldBlock says that nothing has arrived. crypto/tls does not take an error that calls itself temporary for the
// end of the connection, and can be read on after it.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "operation would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var _ net.Error = wouldBlock{}

const (
	// wireBytes: plaintext is encrypted only while less ciphertext than this waits, so that a large answer to a slow
	// client is not held twice.
	wireBytes = 64 << 10

	// wireRounds is how often send fills wire in one turn, for a reader that is faster than we encrypt.
	wireRounds = 4

	// maxWireBytes is more ciphertext than send can leave. Above that the peer makes crypto/tls answer (KeyUpdate)
	// and does not read the answers.
	maxWireBytes = 4 * wireBytes
)

var errUnreadReplies = errors.New("tls: peer asks for replies that it does not read")

// tlsState is what a Conn over TLS has besides.
//
//	Conn.out ──▶ tls.Conn.Write ──▶ wrapped.Write ──▶ wire ──▶ socket
//	handler  ◀── tls.Conn.Read  ◀── wrapped.Read  ◀─────────── socket
//
// What crypto/tls has to say itself (KeyUpdate, alerts) enters at wrapped.Write, in the middle of a Read perhaps.
type tlsState struct {
	c        *Conn
	conn     *tls.Conn
	wire     *output // ciphertext to send; nil while empty
	err      error   // what ended reading, told when the data before it has been
	more     bool    // conn may hold bytes that the kernel will not report again
	dry      bool    // the last read emptied the socket: another one would only say so
	finished bool    // close_notify has been sent
}

// unwrap finds the socket under nc, and sets c up for TLS if there is TLS on top.
func (c *Conn) unwrap(nc net.Conn) (net.Conn, error) {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		if w, ok := nc.(*wrapped); ok {
			return w.Conn, nil
		}
		return nc, nil
	}
	w, ok := tc.NetConn().(*wrapped)
	switch {
	case !ok:
		return nil, errors.New("the transport of this tls.Conn did not come from Wrap")
	case w.t != nil:
		return nil, errors.New("adopted already")
	case !tc.ConnectionState().HandshakeComplete:
		return nil, errors.New("TLS handshake not complete")
	}
	c.tls = &tlsState{c: c, conn: tc, more: true}
	return w.Conn, nil
}

// attach puts t in the place of the net.Conn under the tls.Conn.
func (t *tlsState) attach() { t.conn.NetConn().(*wrapped).t = t }

// readRecords is the socket as the tls.Conn sees it.
func (t *tlsState) readRecords(b []byte) (int, error) {
	if t.dry {
		return 0, errWouldBlock
	}
	n, err := t.c.sock.read(b)
	// A short read has emptied the socket. Whatever comes after it, end of file included, is a new event.
	t.dry = err == nil && n < len(b)
	return n, err
}

// writeRecords takes ciphertext, never refusing any: flush will send it.
func (t *tlsState) writeRecords(b []byte) (int, error) {
	l := t.c.loop
	if t.wire == nil {
		t.wire = l.free.output()
	}
	t.wire.copy(b, &l.free)
	t.c.markDirty()
	return len(b), nil
}

// receive fills b with plaintext. n > 0 may come with an error, which then comes again.
func (t *tlsState) receive(b []byte) (n int, err error) {
	if t.err != nil {
		return 0, t.err
	}
	if t.wire.size() > maxWireBytes {
		return 0, errUnreadReplies
	}
	t.dry, t.more = false, true
	for n < len(b) {
		m, err := t.conn.Read(b[n:])
		n += m
		if err == errWouldBlock {
			t.more = false
			return n, err
		}
		if err != nil {
			t.err = err
			return n, err
		}
	}
	return n, nil
}

// send encrypts and sends until all is out (done), or the kernel takes no more, or enough for one turn.
func (t *tlsState) send() (done bool, err error) {
	c := t.c
	for range wireRounds {
		for c.out.size() > 0 && t.wire.size() < wireBytes {
			b := c.out.waiting()[0].b
			b = b[:min(len(b), chunkBytes)]
			if _, err := t.conn.Write(b); err != nil {
				return false, err
			}
			c.out.consume(len(b), &c.loop.free)
		}
		if done, err := c.sendOutput(&t.wire); !done {
			return false, err
		}
		if c.out.size() > 0 {
			continue
		}
		c.loop.free.drop(c.out)
		c.out = nil
		if c.flags&flagClosing == 0 || t.finished {
			return true, nil
		}
		t.finished = true
		if err := t.conn.CloseWrite(); err != nil {
			return false, err
		}
	}
	return false, nil
}
