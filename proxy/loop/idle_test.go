//go:build linux && !portable_loop

package loop

import (
	"net"
	"runtime"
	"testing"
	"unsafe"
)

// maxIdleBytes bounds the heap an idle plain connection costs: the Conn, its peer's address, its place in the tables.
const maxIdleBytes = 400

func TestConn_IdleCostsNoGoroutineAndLittleMemory(t *testing.T) {
	if got := unsafe.Sizeof(Conn{}); got > 128 {
		t.Errorf("a Conn is %d bytes", got)
	}
	const n = 2000
	l := startLoop(t, Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	h := &hears{}
	h.data = func(b []byte) {}

	peers := make([]*Conn, n) // the other ends idle on a loop of their own, to keep Go's netpoller out of the figure
	conns := make([]*Conn, n)
	goroutines, heap := runtime.NumGoroutine(), heapBytes()
	for i := range n {
		peer, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		ours, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		on(t, l, func() {
			if peers[i], err = l.Adopt(peer, h); err == nil {
				conns[i], err = l.Adopt(ours, h)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Each has been used once, and is idle again.
	on(t, l, func() {
		for i := range n {
			conns[i].Write([]byte("ping"))
			peers[i].Write([]byte("pong"))
		}
	})
	turns(t, l)

	if got := runtime.NumGoroutine() - goroutines; got > 0 {
		t.Errorf("%d idle conns run %d goroutines more", 2*n, got)
	}
	each := (heapBytes() - heap) / (2 * n)
	t.Logf("%d bytes of heap an idle connection, %d of them the Conn", each, unsafe.Sizeof(Conn{}))
	if each > maxIdleBytes {
		t.Errorf("%d bytes of heap an idle connection, want at most %d", each, maxIdleBytes)
	}
	runtime.KeepAlive(conns)
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
