package proxytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// FakeServer is a server that follows a script of steps on each connection: it says what a real PostgreSQL never says,
// or dies where a real one seldom dies. When the steps are over it reads on until the peer closes.
//
// A CancelRequest does not start the script; it is recorded.
type FakeServer struct {
	listener net.Listener
	script   func(n int) []Step
	raw      bool
	over     chan struct{} // closed when the test ends
	wg       sync.WaitGroup

	mu struct {
		sync.Mutex
		closed  bool
		conns   map[net.Conn]struct{}
		cancels [][]byte
		wrong   []error
	} // guards the fields inside
}

// Step is one act of a FakeServer. An error ends the script of its connection.
type Step func(*FakeConn) error

// FakeConn is a connection from the FakeServer's side.
type FakeConn struct {
	net.Conn
	r     *bufio.Reader
	judge *judge
	// Startup is the body of the client's startup message: the protocol version and the parameters.
	Startup []byte

	over <-chan struct{}
}

var (
	errScriptOver = errors.New("the script closes the connection")
	errUnexpected = errors.New("unexpected message")
)

// StartFake starts a server on loopback that lets everybody log in and then follows steps. It ends with the test, which
// fails if a step met another message than it expected.
func StartFake(tb testing.TB, steps ...Step) *FakeServer {
	return startFake(tb, false, func(int) []Step { return steps })
}

// StartFakeEach is StartFake with steps that depend on the connection's number, which counts from 0.
func StartFakeEach(tb testing.TB, script func(n int) []Step) *FakeServer {
	return startFake(tb, false, script)
}

// StartFakeRaw is StartFake without the login: the steps begin at the first byte.
func StartFakeRaw(tb testing.TB, steps ...Step) *FakeServer {
	return startFake(tb, true, func(int) []Step { return steps })
}

func startFake(tb testing.TB, raw bool, script func(int) []Step) *FakeServer {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f := &FakeServer{listener: listener, script: script, raw: raw, over: make(chan struct{})}
	f.mu.conns = make(map[net.Conn]struct{})
	f.wg.Go(f.accept)
	tb.Cleanup(func() {
		f.close()
		for _, err := range f.mu.wrong {
			tb.Errorf("fake server: %v", err)
		}
	})
	return f
}

// Addr returns host:port.
func (f *FakeServer) Addr() string { return f.listener.Addr().String() }

// Cancels returns the bodies of the CancelRequests so far: process id and secret key, as they came.
func (f *FakeServer) Cancels() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]byte(nil), f.mu.cancels...)
}

func (f *FakeServer) close() {
	close(f.over)
	f.mu.Lock()
	f.mu.closed = true
	for conn := range f.mu.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.listener.Close()
	f.wg.Wait()
}

func (f *FakeServer) accept() {
	for n := 0; ; n++ {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		if f.mu.closed {
			f.mu.Unlock()
			conn.Close()
			return
		}
		f.mu.conns[conn] = struct{}{}
		f.mu.Unlock()
		isScript := make(chan bool, 1)
		f.wg.Go(func() { f.serve(conn, n, isScript) })
		if !<-isScript {
			n-- // a CancelRequest has no number
		}
	}
}

// serve tells isScript whether the connection is more than a CancelRequest, as soon as it knows.
func (f *FakeServer) serve(conn net.Conn, n int, isScript chan<- bool) {
	c := &FakeConn{Conn: conn, r: bufio.NewReader(conn), judge: judgeClient(), over: f.over}
	defer func() {
		conn.Close()
		f.mu.Lock()
		delete(f.mu.conns, conn)
		f.mu.Unlock()
	}()
	if f.raw {
		isScript <- true
	} else {
		cancel, err := c.readStartup()
		isScript <- cancel == nil
		if cancel != nil {
			f.mu.Lock()
			f.mu.cancels = append(f.mu.cancels, cancel)
			f.mu.Unlock()
			return
		}
		if err == nil {
			_, err = conn.Write(loggedIn)
		}
		if err != nil {
			return
		}
	}
	for i, step := range f.script(n) {
		err := step(c)
		if errors.Is(err, errUnexpected) {
			f.mu.Lock()
			f.mu.wrong = append(f.mu.wrong, fmt.Errorf("connection %d, step %d: %w", n, i, err))
			f.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, c.r) // until the peer or the end of the test closes
}

// read returns the next message of the client. One that is malformed fails the test.
func (c *FakeConn) read() (Message, error) {
	m, err := readMessage(c.r)
	if err != nil {
		return m, err
	}
	if err := c.judge.check(m); err != nil {
		return m, fmt.Errorf("%w: %w", errUnexpected, err)
	}
	return m, nil
}

// loggedIn is all that a server says before the first query.
var loggedIn = func() []byte {
	var b []byte
	b = append(b, AuthenticationOK()...)
	for _, p := range [][2]string{
		{"server_version", "15.0"}, {"server_encoding", "UTF8"}, {"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
		{"TimeZone", "UTC"}, {"integer_datetimes", "on"}, {"standard_conforming_strings", "on"},
	} {
		b = append(b, ParameterStatus(p[0], p[1])...)
	}
	b = append(b, BackendKeyData(42, 4242)...)
	return append(b, ReadyForQuery('I')...)
}()

// readStartup reads up to the startup message, refusing encryption. A CancelRequest is returned as cancel.
func (c *FakeConn) readStartup() (cancel []byte, err error) {
	const cancelCode, sslCode, gssCode = 80877102, 80877103, 80877104
	for {
		var head [8]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n < 8 || n > 10000 {
			return nil, fmt.Errorf("startup packet of length %d", n)
		}
		rest := make([]byte, n-8)
		if _, err := io.ReadFull(c.r, rest); err != nil {
			return nil, err
		}
		switch binary.BigEndian.Uint32(head[4:]) {
		case sslCode, gssCode:
			if _, err := c.Write([]byte{'N'}); err != nil {
				return nil, err
			}
		case cancelCode:
			return rest, nil
		default:
			c.Startup = append(head[4:], rest...)
			return nil, nil
		}
	}
}
