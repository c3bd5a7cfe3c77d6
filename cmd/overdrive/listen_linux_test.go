package main

import (
	"net"
	"syscall"
	"testing"
	"time"
)

func TestListen_ProbesSilentClients(t *testing.T) {
	own, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	wantProbes(t, own)
	f, address := tcpSocket(t)
	passed, err := (sockets{{f, &net.TCPAddr{}}, {f, tcpAddress(t, address)}}).listen(address)
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	wantProbes(t, passed)
}

// The kernel hands a client over with its first message, and one that has none a little later: its login has a limit.
func TestListen_ASilentClientIsAcceptedAllTheSame(t *testing.T) {
	t.Parallel()
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := awaitFirstWord(l); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err == nil {
			nc.Close()
		}
		accepted <- err
	}()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dialed := time.Now()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if took := time.Since(dialed); took < firstWord*time.Second/2 {
		t.Errorf("a client that says nothing was accepted after %v, want it to be the kernel's for a while", took)
	}
}

func tcpAddress(t *testing.T, address string) net.Addr {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func wantProbes(t *testing.T, l net.Listener) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got [4]int
	_ = raw.Control(func(fd uintptr) {
		got[0], _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		for i, name := range []int{syscall.TCP_KEEPIDLE, syscall.TCP_KEEPINTVL, syscall.TCP_KEEPCNT} {
			got[i+1], _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name)
		}
	})
	if want := [4]int{1, 30, 10, 3}; got != want {
		t.Errorf("keepalive, idle, interval, count: got %v, want %v", got, want)
	}
}
