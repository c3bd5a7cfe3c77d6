package loop

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
)

// piecemeal sends what is written to it a kilobyte at a time, and waits until the loop has looked at each.
type piecemeal struct {
	net.Conn
	pause func()
}

func (p *piecemeal) Write(b []byte) (int, error) {
	for at := 0; at < len(b); at += 1024 {
		if _, err := p.Conn.Write(b[at:min(at+1024, len(b))]); err != nil {
			return at, err
		}
		p.pause()
	}
	return len(b), nil
}

func TestTLS_RecordsSplitAtEveryKilobyte(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			l := startLoop(t, Options{})
			a, b := tcpPair(t)
			slow := &piecemeal{a, func() {}}
			peer, ours := handshake(t, slow, b,
				&tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}, serverTLS())
			h := &hears{}
			c := adopt(t, l, ours, h)
			on(t, l, func() { h.data = c.Write })
			slow.pause = func() { on(t, l, func() {}); on(t, l, func() {}) }
			data := noise(1, 300<<10)
			together(t,
				func() error { _, err := peer.Write(data); return err },
				func() error { return expect(peer, data, 1, 10_000) },
			)
		})
	}
}

// What the client sent right behind its handshake sits in the tls.Conn before there is a loop; the kernel will not
// report it.
func TestTLS_DataReadDuringTheHandshakeIsDelivered(t *testing.T) {
	l := startLoop(t, Options{})
	a, b := tcpPair(t)
	peer, ours := handshake(t, a, b, &tls.Config{InsecureSkipVerify: true}, serverTLS())
	if _, err := peer.Write([]byte("hello, loop")); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := io.ReadFull(ours, one); err != nil { // the record is read, the rest of it stays inside
		t.Fatal(err)
	}
	got := make(chan string, 1)
	adopt(t, l, ours, &hears{data: func(b []byte) { got <- string(b) }})
	if got := await(t, got); got != "ello, loop" {
		t.Errorf("got %q", got)
	}
}

func TestTLS_LargeRecordsDoNotStarveOthers(t *testing.T) {
	const turnBytes = 1000
	l := startLoop(t, Options{ReadBuffer: turnBytes})
	peer, ours := tlsPair(t, tls.VersionTLS13)
	h := &hears{}
	adopt(t, l, ours, h)
	got, since, done := 0, 0, make(chan struct{})
	var turn func()
	on(t, l, func() {
		turn = func() { // posted functions run once a turn
			if since > 2*turnBytes {
				t.Errorf("%d bytes in one turn, want no more than an event's and a revisit's", since)
			}
			since = 0
			if got < 200<<10 {
				l.Post(turn)
			}
		}
		turn()
		h.data = func(b []byte) {
			since += len(b)
			if got += len(b); got == 200<<10 {
				close(done)
			}
		}
	})
	if _, err := peer.Write(noise(1, 200<<10)); err != nil {
		t.Fatal(err)
	}
	await(t, done)
}

func TestTLS_GarbageIsAnError(t *testing.T) {
	l := startLoop(t, Options{})
	a, b := tcpPair(t)
	_, ours := handshake(t, a, b, &tls.Config{InsecureSkipVerify: true}, serverTLS())
	failed := make(chan error, 1)
	adopt(t, l, ours, &hears{failed: func(err error) { failed <- err }, data: func(b []byte) { t.Errorf("OnData(%q)", b) }})
	fmt.Fprintf(a, "\x17\x03\x03\x00\x20%032d", 0)
	await(t, failed)
}

func TestTLS_CloseSaysGoodbye(t *testing.T) {
	for name, closeIt := range map[string]func(*Conn){"Close": (*Conn).Close, "CloseAfterFlush": (*Conn).CloseAfterFlush} {
		l := startLoop(t, Options{})
		a, b := tcpPair(t)
		recorded := &recorder{Conn: a}
		peer, ours := handshake(t, recorded, b, &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true}, serverTLS())
		c := adopt(t, l, ours, &hears{})
		recorded.seen = nil
		on(t, l, func() { closeIt(c) })
		peer.Read(make([]byte, 1))
		const alertRecord = 21 // TLS 1.2 shows the type of a record
		if len(recorded.seen) == 0 || recorded.seen[0] != alertRecord {
			t.Errorf("%s: the peer's last record is %x, want an alert", name, recorded.seen)
		}
	}
}

type recorder struct {
	net.Conn
	seen []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.seen = append(r.seen, b[:n]...)
	return n, err
}
