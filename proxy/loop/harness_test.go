package loop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// startLoop runs a loop until the test ends.
func startLoop(t testing.TB, o Options) *Loop {
	t.Helper()
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	t.Cleanup(func() {
		l.Close()
		if err := await(t, ended); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l
}

// on runs f on l and waits for it.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(func() { defer close(done); f() }) {
		t.Fatal("Post: loop closed")
	}
	await(t, done)
}

// turns lets l go around a few times, so that what was to happen has happened.
func turns(t testing.TB, l *Loop) {
	t.Helper()
	for range 5 {
		on(t, l, func() {})
	}
}

func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

// adopt has l take nc over.
func adopt(t testing.TB, l *Loop, nc net.Conn, h Handler) (c *Conn) {
	t.Helper()
	on(t, l, func() {
		var err error
		if c, err = l.Adopt(nc, h); err != nil {
			t.Error(err)
		}
	})
	if c == nil {
		t.FailNow()
	}
	return c
}

// hears is a Handler made of functions; absent ones are deaf.
type hears struct {
	data    func([]byte)
	eof     func()
	drained func()
	failed  func(error)
}

func (h *hears) OnData(b []byte) {
	if h.data != nil {
		h.data(b)
	}
}

func (h *hears) OnEOF() {
	if h.eof != nil {
		h.eof()
	}
}

func (h *hears) OnDrained() {
	if h.drained != nil {
		h.drained()
	}
}

func (h *hears) OnError(err error) {
	if h.failed != nil {
		h.failed(err)
	}
}

// relay passes what one Conn hears on to another, and reads no more than that takes. Two of them make a link.
type relay struct{ from, to *Conn }

func (r *relay) OnData(b []byte) {
	r.to.Write(b)
	if r.to.Congested() {
		r.from.PauseRead()
	}
}
func (r *relay) OnEOF()        { r.to.CloseAfterFlush() }
func (r *relay) OnDrained()    { r.to.ResumeRead() }
func (r *relay) OnError(error) { r.to.Close() }

// link joins a and b on l.
func link(t testing.TB, l *Loop, a, b net.Conn) {
	t.Helper()
	on(t, l, func() {
		ra, rb := &relay{}, &relay{}
		ca, errA := l.Adopt(a, ra)
		cb, errB := l.Adopt(b, rb)
		if errA != nil || errB != nil {
			t.Error(errA, errB)
			return
		}
		*ra, *rb = relay{ca, cb}, relay{cb, ca}
	})
}

// transport makes pairs of connected sockets: the peer's end, and the one to be adopted.
type transport struct {
	name string
	pair func(t testing.TB) (peer, ours net.Conn)
}

var transports = []transport{
	{"tcp", tcpPair},
	{"unix", unixPair},
	{"tls1.2", func(t testing.TB) (peer, ours net.Conn) { return tlsPair(t, tls.VersionTLS12) }},
	{"tls1.3", func(t testing.TB) (peer, ours net.Conn) { return tlsPair(t, tls.VersionTLS13) }},
}

// overEach runs f as a subtest over each transport.
func overEach(t *testing.T, f func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn))) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr.pair) })
	}
}

func tcpPair(t testing.TB) (peer, ours net.Conn) { return pairOver(t, "tcp", "127.0.0.1:0") }

func unixPair(t testing.TB) (peer, ours net.Conn) {
	return pairOver(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func pairOver(t testing.TB, network, addr string) (peer, ours net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if peer, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	peer.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { peer.Close() })
	return peer, ours
}

// shrink gives both ends small kernel buffers, though not smaller than two of the loopback's 64 KiB segments: below that
// TCP crawls from probe to probe.
func shrink(ncs ...net.Conn) {
	for _, nc := range ncs {
		if c, ok := rawConn(nc).(interface {
			SetReadBuffer(int) error
			SetWriteBuffer(int) error
		}); ok {
			c.SetReadBuffer(64 << 10)
			c.SetWriteBuffer(64 << 10)
		}
	}
}

func rawConn(nc net.Conn) net.Conn {
	if c, ok := nc.(*tls.Conn); ok {
		nc = c.NetConn()
	}
	if w, ok := nc.(*wrapped); ok {
		nc = w.Conn
	}
	return nc
}

// tlsPair is a pair with a TLS client as the peer, both handshakes done.
func tlsPair(t testing.TB, version uint16) (peer, ours net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	return handshake(t, a, b, &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}, serverTLS())
}

func handshake(t testing.TB, a, b net.Conn, clientConfig, serverConfig *tls.Config) (*tls.Conn, *tls.Conn) {
	t.Helper()
	client, server := tls.Client(a, clientConfig), tls.Server(Wrap(b), serverConfig)
	result := make(chan error, 1)
	go func() { result <- client.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, result); err != nil {
		t.Fatal(err)
	}
	return client, server
}

var testCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func serverTLS() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{testCertificate()}} }

// noise is n bytes that are the same for the same seed, and not the same anywhere within.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	src := mrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	src.Read(b)
	return b
}

// sendSplit writes b to w in pieces of random length up to most.
func sendSplit(w io.Writer, b []byte, seed uint64, most int) error {
	r := mrand.New(mrand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(1+r.IntN(most), len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// expect reads len(want) bytes from r, in pieces of random length up to most, and compares.
func expect(r io.Reader, want []byte, seed uint64, most int) error {
	rnd := mrand.New(mrand.NewPCG(seed, 2))
	buf := make([]byte, most)
	for at := 0; at < len(want); {
		n, err := r.Read(buf[:min(1+rnd.IntN(most), len(want)-at)])
		if !bytes.Equal(buf[:n], want[at:at+n]) {
			return fmt.Errorf("bytes %d to %d differ from what was sent", at, at+n)
		}
		at += n
		if err != nil && at < len(want) {
			return fmt.Errorf("after %d of %d bytes: %w", at, len(want), err)
		}
	}
	return nil
}

// together runs fs at the same time and fails the test for each that fails.
func together(t testing.TB, fs ...func() error) {
	t.Helper()
	results := make(chan error, len(fs))
	for _, f := range fs {
		go func() { results <- f() }()
	}
	for range fs {
		if err := await(t, results); err != nil {
			t.Error(err)
		}
	}
}
