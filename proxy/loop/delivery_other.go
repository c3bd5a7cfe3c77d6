//go:build !linux || portable_loop

package loop

// delivery knows nothing here: such peers are left to TCP.
func (p *poller) delivery(*socket) delivery { return delivery{} }
