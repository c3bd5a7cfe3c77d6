package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/activation"
)

// This file takes over sockets that the service manager has opened and listens on, so that clients can come before the program runs and
// while it starts again, and so that it may listen on ports that only root may open.

// sockets are those that were passed to the program.
type sockets []*socket

// A socket stays open for as long as the program runs: an address that one reload takes away may come back by the next.
type socket struct {
	file    *os.File
	address net.Addr
}

// inheritedSockets returns what LISTEN_FDS promises. It works once: the variables are not for children.
func inheritedSockets() (sockets, error) {
	var all sockets
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, fmt.Errorf("socket %s of the service manager: %w", f.Name(), err)
		}
		all = append(all, &socket{f, l.Addr()})
		l.Close() // a duplicate
	}
	return all, nil
}

// listen takes the socket that was passed for the address, or opens one.
func (all sockets) listen(address string) (net.Listener, error) {
	s := all.find(address)
	if s == nil {
		return listen(address)
	}
	l, err := net.FileListener(s.file)
	if err != nil {
		return nil, fmt.Errorf("%s, passed by the service manager: %w", address, err)
	}
	if tcp, ok := l.(*net.TCPListener); ok {
		return &probingListener{tcp}, nil
	}
	return l, nil
}

// find returns the socket of an address of the configuration: the very same, else one that means it.
func (all sockets) find(address string) *socket {
	for _, s := range all {
		if s.address.String() == address {
			return s
		}
	}
	for _, s := range all {
		if s.isFor(address) {
			return s
		}
	}
	return nil
}

// isFor reports whether the socket is the one that the address means. 0.0.0.0 and [::] both mean every address.
func (s *socket) isFor(address string) bool {
	switch at := s.address.(type) {
	case *net.UnixAddr:
		return filepath.IsAbs(address) && at.Name == filepath.Join(address, socketName)
	case *net.TCPAddr:
		if filepath.IsAbs(address) {
			return false
		}
		want, err := net.ResolveTCPAddr("tcp", address)
		if err != nil || want.Port != at.Port {
			return false
		}
		return isEveryAddress(want.IP) && isEveryAddress(at.IP) || want.IP.Equal(at.IP)
	}
	return false
}

func isEveryAddress(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }

// warnOfUnused tells of sockets that no address of the configuration means: their clients wait for ever.
func (all sockets) warnOfUnused(addresses []string, log *slog.Logger) {
	used := make(map[*socket]bool)
	for _, address := range addresses {
		used[all.find(address)] = true
	}
	for _, s := range all {
		if !used[s] {
			log.Warn("a socket of the service manager is for no address of the configuration", "address", s.address.String())
		}
	}
}

// probingListener has silent clients probed as those of listen are, which a socket of others does not bring along.
type probingListener struct{ *net.TCPListener }

// Accept is net.Listener's.
func (l *probingListener) Accept() (net.Conn, error) {
	nc, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	_ = nc.SetKeepAliveConfig(clientProbes) // fails for a client that is gone already, which its first read tells
	return nc, nil
}
