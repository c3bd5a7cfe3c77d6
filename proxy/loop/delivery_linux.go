//go:build linux && !portable_loop

package loop

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// delivery asks the kernel. Of a socket that is not TCP nothing is ever on its way.
func (p *poller) delivery(s *socket) (d delivery) {
	size := uint32(unsafe.Sizeof(p.info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&p.info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return d
	}
	d.waiting = p.info.Unacked > 0 || p.info.Notsent_bytes > 0
	d.quiet = time.Duration(p.info.Last_ack_recv) * time.Millisecond
	d.repeats = int(max(p.info.Retransmits, p.info.Probes))
	if d.repeats > 0 {
		limit, err := unix.GetsockoptInt(int(s.fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		d.limited = err == nil && limit > 0
	}
	return d
}
