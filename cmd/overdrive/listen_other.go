//go:build !linux

package main

import "net"

// listenConfig is how clients are listened for over TCP.
func listenConfig() net.ListenConfig { return net.ListenConfig{KeepAliveConfig: clientProbes} }
