package rig

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// This file is what the relays have in common that stand between the proxy and the server in tests.

// AcceptEach has serve deal with each connection to the address that it returns.
func AcceptEach(t *testing.T, serve func(from net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go serve(from)
		}
	}()
	return l.Addr().String()
}

// ReadMessage reads one message, which has so many bytes in front of its length.
func ReadMessage(from io.Reader, typed int) ([]byte, error) {
	message := make([]byte, typed+4)
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(message[typed:])-4)
	_, err := io.ReadFull(from, body)
	return append(message, body...), err
}
