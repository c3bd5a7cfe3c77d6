package postgres

import (
	"encoding/binary"

	"overdrive/proxy"
)

// cancelClient carries out a CancelRequest. It returns when the server has acted on it, as the client's library waits for
// its connection to be closed.
func (p *Proxy) cancelClient(request []byte) {
	if len(request) != 8 {
		return
	}
	number, secret := binary.BigEndian.Uint32(request), binary.BigEndian.Uint32(request[4:])
	target, ok := p.server.Find(proxy.Key{Number: number, Secret: secret}).(*client)
	if !ok {
		if p.console != nil {
			p.console.Cancel(number, secret)
		}
		return
	}
	done := make(chan struct{})
	if target.Post(func() { target.Cancel(func() { close(done) }) }) {
		select {
		case <-done:
		case <-p.server.Context().Done():
		}
	}
}
