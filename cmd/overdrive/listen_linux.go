package main

import (
	"net"
	"os"
	"syscall"
	"time"
)

// listenConfig is how others are listened for over TCP. A socket that is accepted has what was set for the one that listens, so
// clientProbes cost the client's own nothing.
func listenConfig() net.ListenConfig {
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		return setOptions(raw, []option{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(clientProbes.Idle / time.Second)},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(clientProbes.Interval / time.Second)},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, clientProbes.Count},
		})
	}}
}

// firstWord is for how long the kernel keeps a client to itself that says nothing, in seconds.
const firstWord = 1

// awaitFirstWord has the kernel hand a client over with its first message. A client of PostgreSQL speaks first, so whoever accepts it need not
// wait for that as well: half of the wakings of threads that a new connection costs. A socket of the service manager is left as it is.
func awaitFirstWord(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return setOptions(raw, []option{{syscall.IPPROTO_TCP, syscall.TCP_DEFER_ACCEPT, firstWord}})
}

// option is one of a socket.
type option struct{ level, name, value int }

func setOptions(raw syscall.RawConn, all []option) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		for _, o := range all {
			if failed = syscall.SetsockoptInt(int(fd), o.level, o.name, o.value); failed != nil {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failed)
}
