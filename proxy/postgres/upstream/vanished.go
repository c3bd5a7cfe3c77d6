package upstream

import (
	"net"
	"syscall"
	"time"
)

// Vanished says how the kernel notices a server that is gone without a word. The zero value is usable: a connection on which
// nothing moves is given up after half a minute.
type Vanished struct {
	Off            bool // no probes
	Idle, Interval time.Duration
	Count          int

	// UserTimeout bounds how long what was sent may stay unacknowledged; 0 leaves that to whoever owns the socket. It also
	// ends a connection whose server is alive and does not read for so long, which a server may do for good reasons while it
	// waits for a lock: hence it is not set unasked.
	UserTimeout time.Duration
}

// Defaults of Vanished: 15 s of silence, then three probes within 15 s.
const (
	defaultIdle     = 15 * time.Second
	defaultInterval = 5 * time.Second
	defaultCount    = 3
)

// dialer returns what opens sockets that are looked after so.
func (v Vanished) dialer() *net.Dialer {
	probes := net.KeepAliveConfig{Enable: !v.Off, Idle: v.Idle, Interval: v.Interval, Count: v.Count}
	if probes.Idle == 0 {
		probes.Idle = defaultIdle
	}
	if probes.Interval == 0 {
		probes.Interval = defaultInterval
	}
	if probes.Count == 0 {
		probes.Count = defaultCount
	}
	d := &net.Dialer{KeepAliveConfig: probes} // TCP_NODELAY is Go's default
	if v.Off {
		d.KeepAlive = -1 // zero would mean Go's own probes
	}
	if v.UserTimeout > 0 {
		d.Control = func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			var err error
			if failed := c.Control(func(fd uintptr) { err = setUserTimeout(int(fd), v.UserTimeout) }); failed != nil {
				return failed
			}
			return err
		}
	}
	return d
}
