//go:build linux && !portable_loop

package loop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readiness is what a socket is ready for, or watched for, in epoll's own bits.
type readiness uint32

const (
	readable readiness = unix.EPOLLIN
	writable readiness = unix.EPOLLOUT
	broken   readiness = unix.EPOLLERR | unix.EPOLLHUP // reported unasked
)

const (
	eventsPerTurn = 256       // more wait for the next turn
	maxVector     = 64        // segments per write: a megabyte of chunks
	maxWriteBytes = 256 << 10 // per conn and turn, so that one fast reader of a huge answer does not starve the others

	wakeSlot = -1 // the slot no conn has; the event of the descriptor that wakes
)

// poller is a level-triggered epoll descriptor and an eventfd to wake it. Sockets are read and written with system
// calls the Go scheduler is not told of: they are asked not to block (MSG_DONTWAIT), so there is nothing to tell. Only
// block may block.
type poller struct {
	fd     int
	wakeFD int
	events [eventsPerTurn]unix.EpollEvent

	// The arguments of a gathering write; here because they must not be allocated each time.
	vector  [maxVector]unix.Iovec
	message unix.Msghdr
	trash   []byte
	info    unix.TCPInfo // of the socket that was asked about last
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakeFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &poller{fd: fd, wakeFD: wakeFD}
	// Edge-triggered: each write is one event, and the counter need never be read.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeSlot}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, wakeFD, &e); err != nil {
		p.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

func (p *poller) close() {
	unix.Close(p.fd)
	unix.Close(p.wakeFD)
}

// wake ends a block under way, or the next one at once. Anybody may call it.
func (p *poller) wake() {
	one := [8]byte{1}
	unix.Write(p.wakeFD, one[:])
}

// ready fetches what is ready now.
func (p *poller) ready() (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), eventsPerTurn, 0, 0, 0)
	return waited(int(n), errno)
}

// block waits until something is ready or limit has passed; a negative limit is none.
func (p *poller) block(limit time.Duration) (int, error) {
	ms := -1
	if limit >= 0 {
		// Rounded up: a timer must not find that it is early, and spin.
		ms = int(min((limit+time.Millisecond-1)/time.Millisecond, 1<<30))
	}
	n, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), eventsPerTurn, uintptr(ms), 0, 0)
	return waited(int(n), errno)
}

func waited(n int, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return n, nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_pwait", errno)
}

// event is the i-th of what was fetched. The id may be of a conn long gone, or of none.
func (p *poller) event(i int) (id uint64, r readiness) {
	e := &p.events[i]
	return uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd)), readiness(e.Events)
}

func (p *poller) add(s *socket, id uint64, want readiness) error {
	return p.control(unix.EPOLL_CTL_ADD, s, id, want)
}

func (p *poller) modify(s *socket, id uint64, want readiness) error {
	return p.control(unix.EPOLL_CTL_MOD, s, id, want)
}

// remove forgets s. Closing would do that too, but not if another process inherited the descriptor just then.
func (p *poller) remove(s *socket) {
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(s.fd), nil)
}

func (p *poller) control(op int, s *socket, id uint64, want readiness) error {
	e := unix.EpollEvent{Events: uint32(want), Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	if err := unix.EpollCtl(p.fd, op, int(s.fd), &e); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.interest = want
	return nil
}

// socket is a descriptor of which Go's own poller knows nothing.
type socket struct {
	fd       int32
	interest readiness
}

// openSocket takes the socket out of nc, which is closed; on error nc is left alone.
func openSocket(nc net.Conn) (socket, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return socket{}, fmt.Errorf("%T has no descriptor", nc)
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return socket{}, err
	}
	fd := -1
	cerr := rc.Control(func(old uintptr) {
		// Not below 3: there a write to a closed peer would raise SIGPIPE in Go's eyes.
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3)
	})
	if err := errors.Join(cerr, os.NewSyscallError("fcntl", err)); err != nil {
		return socket{}, err
	}
	nc.Close() // takes it out of Go's poller; the connection lives on in the duplicate
	return socket{fd: int32(fd)}, nil
}

// local is our own address, nil if the kernel does not tell.
func (s *socket) local() net.Addr {
	address, err := unix.Getsockname(int(s.fd))
	if err != nil {
		return nil
	}
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: a.Name, Net: "unix"}
	}
	return nil
}

func (s *socket) close() { unix.Close(int(s.fd)) }

// read takes what has arrived, up to len(b) > 0 bytes, or returns errWouldBlock, io.EOF or what is wrong.
func (s *socket) read(b []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd),
			uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			if n == 0 {
				return 0, io.EOF
			}
			return int(n), nil
		case unix.EAGAIN:
			return 0, errWouldBlock
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("recv", errno)
		}
	}
}

// write sends what the kernel takes of segments, at least one, none empty. full says that it is no use to try again
// before the socket is reported writable.
func (p *poller) write(s *socket, segments []segment) (n int, full bool, err error) {
	if len(segments) > 1 {
		return p.writeVector(s, segments)
	}
	b := segments[0].b
	b = b[:min(len(b), maxWriteBytes)]
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd),
			uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return sent("send", n, errno)
		}
	}
}

func (p *poller) writeVector(s *socket, segments []segment) (n int, full bool, err error) {
	k, left := 0, maxWriteBytes
	for k < min(len(segments), maxVector) && left > 0 {
		b := segments[k].b
		b = b[:min(len(b), left)]
		p.vector[k].Base = &b[0]
		p.vector[k].SetLen(len(b))
		left -= len(b)
		k++
	}
	p.message.Iov = &p.vector[0]
	p.message.SetIovlen(k)
	defer clear(p.vector[:k]) // keep nothing alive
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMSG, uintptr(s.fd),
			uintptr(unsafe.Pointer(&p.message)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0, 0)
		if errno != unix.EINTR {
			return sent("sendmsg", n, errno)
		}
	}
}

// sent: one write per flush. What it left waits for the socket to be reported writable, which, if the kernel was not
// full at all, happens at once.
func sent(call string, n uintptr, errno syscall.Errno) (int, bool, error) {
	switch errno {
	case 0:
		return int(n), true, nil
	case unix.EAGAIN:
		return 0, true, nil
	}
	return 0, true, os.NewSyscallError(call, errno)
}

// broken is why the kernel reports an error; nil if it reports but a hang-up.
func (s *socket) broken() error {
	errno, err := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}

// discard reads away what has arrived, within reason.
func (s *socket) discard(p *poller) {
	if p.trash == nil {
		p.trash = make([]byte, 16<<10)
	}
	for range 16 {
		if n, err := s.read(p.trash); err != nil || n < len(p.trash) {
			return
		}
	}
}
