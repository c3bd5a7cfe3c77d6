package loop

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
)

// crypto/tls answers a KeyUpdate (RFC 8446, 4.6.3) but cannot be told to send one, so the peer of these tests writes
// its records itself.

// records is one direction of a TLS 1.3 connection with TLS_AES_128_GCM_SHA256 after the handshake (RFC 8446, 5.2
// and 7.3).
type records struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newRecords(t *testing.T, secret []byte) *records {
	t.Helper()
	expand := func(label string, n int) []byte {
		info := binary.BigEndian.AppendUint16(nil, uint16(n))
		info = append(info, byte(len("tls13 "+label)))
		info = append(info, "tls13 "+label...)
		info = append(info, 0)
		b, err := hkdf.Expand(sha256.New, secret, string(info), n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &records{secret: expand("traffic upd", 32), aead: aead, iv: expand("iv", 12)}
}

// next is the same direction with its next key.
func (r *records) next(t *testing.T) *records { return newRecords(t, r.secret) }

func (r *records) nonce() []byte {
	nonce := bytes.Clone(r.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, r.seq) {
		nonce[4+i] ^= b
	}
	r.seq++
	return nonce
}

// seal is a record of this type that holds b.
func (r *records) seal(typ byte, b []byte) []byte {
	inner := append(bytes.Clone(b), typ)
	header := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+r.aead.Overhead()))
	return r.aead.Seal(header, r.nonce(), inner, bytes.Clone(header))
}

// open reads the next record.
func (r *records) open(t *testing.T, from io.Reader) (typ byte, b []byte) {
	t.Helper()
	header := make([]byte, 5)
	if _, err := io.ReadFull(from, header); err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(from, sealed); err != nil {
		t.Fatal(err)
	}
	inner, err := r.aead.Open(nil, r.nonce(), sealed, header)
	if err != nil {
		t.Fatalf("record that does not open: %v", err)
	}
	return inner[len(inner)-1], inner[:len(inner)-1]
}

const (
	handshakeRecord = 22
	dataRecord      = 23
)

var (
	updateRequested    = []byte{24, 0, 0, 1, 1}
	updateNotRequested = []byte{24, 0, 0, 1, 0}
)

// barePair is a TLS 1.3 pair whose peer is a bare socket and the keys to it.
func barePair(t *testing.T) (peer, ours net.Conn, up, down *records) {
	t.Helper()
	peer, b := tcpPair(t)
	var keys strings.Builder
	serverConfig := serverTLS()
	serverConfig.SessionTicketsDisabled = true // a ticket would be the first record
	clientConfig := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, KeyLogWriter: &keys}
	clientConn, ours := handshake(t, peer, b, clientConfig, serverConfig)
	if suite := clientConn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("this machine prefers %s", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(keys.String()) {
		fields := strings.Fields(line)
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		switch fields[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			up = newRecords(t, secret)
		case "SERVER_TRAFFIC_SECRET_0":
			down = newRecords(t, secret)
		}
	}
	return peer, ours, up, down
}

func TestTLS_KeyUpdateIsAnsweredAndFollowed(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours, up, down := barePair(t)
	h := &hears{}
	c := adopt(t, l, ours, h)
	on(t, l, func() { h.data = c.Write })

	echo := func(s string) {
		t.Helper()
		peer.Write(up.seal(dataRecord, []byte(s)))
		if typ, got := down.open(t, peer); typ != dataRecord || string(got) != s {
			t.Fatalf("echo of %q: record of type %d with %q", s, typ, got)
		}
	}
	echo("before")
	// With nothing written by the handler, the answer must leave all the same.
	peer.Write(up.seal(handshakeRecord, updateRequested))
	up = up.next(t)
	if typ, got := down.open(t, peer); typ != handshakeRecord || !bytes.Equal(got, updateNotRequested) {
		t.Fatalf("the answer to KeyUpdate is a record of type %d with %x", typ, got)
	}
	down = down.next(t)
	echo("after")
	// Data, update, and data again in one segment.
	next := up.next(t)
	message := append(up.seal(dataRecord, []byte("one")), up.seal(handshakeRecord, updateNotRequested)...)
	peer.Write(append(message, next.seal(dataRecord, []byte("two"))...))
	var got []byte
	for len(got) < 6 {
		_, b := down.open(t, peer)
		got = append(got, b...)
	}
	if string(got) != "onetwo" {
		t.Errorf("around an update: %q", got)
	}
}

// What crypto/tls refuses stays refused, also when the handler paused on the data before it: a message that is no
// message of a finished handshake.
func TestTLS_AnErrorBehindDataIsKeptWhilePaused(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours, up, _ := barePair(t)
	heard := make(chan string, 9)
	h := &hears{failed: func(error) { heard <- "error" }}
	c := adopt(t, l, ours, h)
	on(t, l, func() { h.data = func(b []byte) { c.PauseRead(); heard <- string(b) } })
	finished := append([]byte{20, 0, 0, 32}, make([]byte, 32)...)
	message := append(up.seal(dataRecord, []byte("good")), up.seal(handshakeRecord, finished)...)
	peer.Write(append(message, up.seal(dataRecord, []byte("bad"))...))
	if got := await(t, heard); got != "good" {
		t.Errorf("heard %q, want the data before the error", got)
	}
	turns(t, l)
	on(t, l, c.ResumeRead)
	if got := await(t, heard); got != "error" {
		t.Errorf("then heard %q, want the error", got)
	}
}

// Each request is answered, so a peer that never reads would have the answers pile up without bound.
func TestTLS_KeyUpdatesWhoseAnswersNobodyReadsEndTheConn(t *testing.T) {
	l := startLoop(t, Options{})
	peer, ours, up, _ := barePair(t)
	shrink(peer, ours)
	failed := make(chan error, 1)
	c := adopt(t, l, ours, &hears{failed: func(err error) { failed <- err }})
	for {
		var batch []byte
		for range 200 {
			batch = append(batch, up.seal(handshakeRecord, updateRequested)...)
			up = up.next(t)
			batch = append(batch, up.seal(dataRecord, []byte("x"))...)
		}
		if _, err := peer.Write(batch); err != nil {
			break
		}
		on(t, l, func() {
			if n := c.Pending(); n > 2*maxWireBytes {
				t.Fatalf("%d bytes of answers wait", n)
			}
		})
	}
	if err := await(t, failed); err != errUnreadReplies {
		t.Errorf("OnError(%v), want %v", err, errUnreadReplies)
	}
}
