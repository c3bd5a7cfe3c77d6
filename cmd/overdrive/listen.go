package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

func closeAll(listeners map[string]net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// socketName is the file of a Unix socket in its directory. Its number is the port that clients name.
const socketName = ".s.PGSQL.6432"

// clientProbes notice a client that vanished without a word after a minute of silence: it may hold a server in a transaction.
var clientProbes = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// listen opens host:port, or a Unix socket in a directory.
func listen(address string) (net.Listener, error) {
	if !filepath.IsAbs(address) {
		network := listenConfig()
		return network.Listen(context.Background(), "tcp", address)
	}
	var network net.ListenConfig
	path := filepath.Join(address, socketName)
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := network.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	// Who may log in is not the file system's business.
	if err := os.Chmod(path, 0o777); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes a socket that nobody listens on any more.
func removeStale(path string) error {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s is in use", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
