package upstream

import (
	"os"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of <linux/tcp.h>, which package syscall lacks.
const tcpUserTimeout = 18

func setUserTimeout(fd int, d time.Duration) error {
	err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	return os.NewSyscallError("setsockopt TCP_USER_TIMEOUT", err)
}
