//go:build linux && !portable_loop && !race

package loop

import (
	"io"
	"net"
	"testing"
)

// Exchanges that must not allocate: a message there and back, in one piece and in several.
func TestRelay_AllocatesNothingPerMessage(t *testing.T) {
	l := startLoop(t, Options{})
	for name, pieces := range map[string]int{"in one piece": 1, "in four pieces": 4} {
		t.Run(name, func(t *testing.T) {
			client, a := tcpPair(t)
			server, b := tcpPair(t)
			var ca, cb *Conn
			pass := func(to **Conn) *hears {
				return &hears{data: func(b []byte) {
					for i := range pieces {
						(*to).Write(b[len(b)*i/pieces : len(b)*(i+1)/pieces])
					}
				}}
			}
			ca, cb = adopt(t, l, a, pass(&cb)), adopt(t, l, b, pass(&ca))
			message := make([]byte, 300)
			exchange := func(from, to net.Conn) {
				if _, err := from.Write(message); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(to, message); err != nil {
					t.Fatal(err)
				}
			}
			if n := testing.AllocsPerRun(500, func() { exchange(client, server); exchange(server, client) }); n != 0 {
				t.Errorf("%v allocations a message and answer, want 0", n)
			}
		})
	}
}
