package main

import (
	"net"
	"os"
	"syscall"
	"time"
)

// firstWord is for how long the kernel keeps a client to itself that says nothing, in seconds. A client of PostgreSQL speaks first, so
// whoever accepts it need not wait for its first message as well: half of the wakings of threads that a new connection costs.
const firstWord = 1

// listenConfig is how clients are listened for over TCP. A socket that is accepted has what was set for the one that listens, so
// clientProbes cost the client's own nothing.
func listenConfig() net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = tuneListener(int(fd)) })
		if err != nil {
			return err
		}
		return failed
	}}
}

// tuneListener sets what listenConfig promises.
func tuneListener(fd int) error {
	for _, o := range []struct{ level, name, value int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(clientProbes.Idle / time.Second)},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(clientProbes.Interval / time.Second)},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, clientProbes.Count},
		{syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, firstWord},
	} {
		if err := syscall.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}
