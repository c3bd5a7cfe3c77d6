package loop

import (
	"io"
	"net"
	"testing"
)

func TestLoop_EchoesManyConns(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		var clients []func() error
		for i := range uint64(40) {
			peer, ours := pair(t)
			h := &hears{}
			c := adopt(t, l, ours, h)
			on(t, l, func() { h.data = c.Write })
			data := noise(i, 100<<10)
			clients = append(clients,
				func() error { return sendSplit(peer, data, i, 3000) },
				func() error { return expect(peer, data, i, 5000) })
		}
		together(t, clients...)
	})
}

func TestRelay_BytesSurviveSplitsAndSlowReaders(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		client, a := pair(t)
		server, b := pair(t)
		shrink(client, a, server, b)
		link(t, l, a, b)
		up, down := noise(1, 1<<20), noise(2, 1<<20)
		together(t,
			func() error { return sendSplit(client, up, 1, 100<<10) },
			func() error { return expect(server, up, 2, 700) },
			func() error { return sendSplit(server, down, 3, 100<<10) },
			func() error { return expect(client, down, 4, 700) },
		)
	})
}

// A server that answers while it is being written to, and reads no more until its answer is taken: a relay that wrote
// before it read would wait for it forever.
func TestRelay_PipelineWithTinyBuffersDoesNotDeadlock(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{ReadBuffer: 4096, HighWater: 4096})
		client, a := pair(t)
		server, b := pair(t)
		shrink(client, a, server, b)
		link(t, l, a, b)
		request := noise(5, 512<<10)
		answer := append(append([]byte{}, request...), request...)
		for i, x := range request {
			answer[2*i], answer[2*i+1] = x, x
		}
		together(t,
			func() error { return sendSplit(client, request, 1, 64<<10) },
			func() error { return expect(client, answer, 2, 64<<10) },
			func() error { return answerTwice(server, len(request)) },
		)
	})
}

// answerTwice sends each byte back twice, on one goroutine.
func answerTwice(server io.ReadWriter, n int) error {
	in, out := make([]byte, 32<<10), make([]byte, 0, 64<<10)
	for n > 0 {
		k, err := server.Read(in)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, x := range in[:k] {
			out = append(out, x, x)
		}
		if _, err := server.Write(out); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func TestRelay_PassesTheEndOn(t *testing.T) {
	overEach(t, func(t *testing.T, pair func(testing.TB) (peer, ours net.Conn)) {
		l := startLoop(t, Options{})
		client, a := pair(t)
		server, b := pair(t)
		link(t, l, a, b)
		data := noise(1, 300<<10)
		together(t,
			func() error {
				defer client.Close()
				return sendSplit(client, data, 1, 100<<10)
			},
			func() error { return expect(server, data, 2, 700) },
		)
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the client left, server reads %d, %v; want 0, EOF", n, err)
		}
	})
}
