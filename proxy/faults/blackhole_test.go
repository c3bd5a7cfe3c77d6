//go:build linux

package faults

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// discard has the kernel drop every packet that comes for the socket, before TCP sees it: no acknowledgement, no answer to a
// keepalive, no handshake. It is a filter (socket(7), SO_ATTACH_FILTER) that keeps nothing of any packet, and needs no privilege.
func discard(tb testing.TB, socket syscall.Conn) {
	control(tb, socket, func(fd int) error {
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	})
}

// keep ends discard.
func keep(tb testing.TB, socket syscall.Conn) {
	control(tb, socket, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
}

// control calls set with the socket's descriptor. A socket that is closed is none of its business.
func control(tb testing.TB, socket syscall.Conn, set func(fd int) error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	if err := raw.Control(func(fd uintptr) {
		if err := set(int(fd)); err != nil {
			tb.Errorf("socket filter: %v", err)
		}
	}); err != nil {
		return
	}
}
