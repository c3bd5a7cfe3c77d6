//go:build !linux

package main

import "net"

// listenConfig is how others are listened for over TCP.
func listenConfig() net.ListenConfig { return net.ListenConfig{KeepAliveConfig: clientProbes} }

// awaitFirstWord is for kernels that can keep a client to themselves until it speaks.
func awaitFirstWord(net.Listener) error { return nil }
