//go:build unix

package loop

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	benchClients  = 16
	requestBytes  = 80  // about a small SELECT with its parameters,
	responseBytes = 240 // and its row
)

// loadVariable in the environment makes the test binary the load of BenchmarkRelayProcess: addresses and a count.
const loadVariable = "LOOP_BENCHMARK_LOAD"

func TestMain(m *testing.M) {
	if spec := os.Getenv(loadVariable); spec != "" {
		var addr string
		var n int
		if _, err := fmt.Sscan(spec, &addr, &n); err != nil {
			panic(err)
		}
		dial := func() net.Conn {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				panic(err)
			}
			return nc
		}
		clients, servers := make([]net.Conn, benchClients), make([]net.Conn, benchClients)
		for i := range benchClients {
			clients[i], servers[i] = dial(), dial()
		}
		exchangeAll(clients, servers, n)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// exchangeAll has each client send requests, one at a time, n in all, that the server of the same index answers.
func exchangeAll(clients, servers []net.Conn, n int) {
	for _, s := range servers {
		go func() {
			request, response := make([]byte, requestBytes), make([]byte, responseBytes)
			for {
				if _, err := io.ReadFull(s, request); err != nil {
					return
				}
				s.Write(response)
			}
		}()
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			request, response := make([]byte, requestBytes), make([]byte, responseBytes)
			for range (n + i) / len(clients) {
				c.Write(request)
				if _, err := io.ReadFull(c, response); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkRelay is a request and its answer through a loop, 16 at a time; clients and servers are in the same process.
func BenchmarkRelay(b *testing.B) {
	l := startLoop(b, Options{})
	clients, servers := make([]net.Conn, benchClients), make([]net.Conn, benchClients)
	for i := range benchClients {
		var a, z net.Conn
		clients[i], a = tcpPair(b)
		servers[i], z = tcpPair(b)
		clients[i].SetDeadline(time.Time{})
		servers[i].SetDeadline(time.Time{})
		link(b, l, a, z)
	}
	b.ReportAllocs()
	b.ResetTimer()
	exchangeAll(clients, servers, b.N)
}

// BenchmarkRelayProcess has clients and servers in another process, and reports what this one, the relay, costs in
// processor time, user's and system's, for a request and its answer. LOOPS in the environment sets their number.
func BenchmarkRelayProcess(b *testing.B) {
	n := 1
	if s := os.Getenv("LOOPS"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	loops := make([]*Loop, n)
	for i := range loops {
		loops[i] = startLoop(b, Options{})
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	load := exec.Command(os.Args[0])
	load.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", loadVariable, ln.Addr(), b.N))
	load.Stderr = os.Stderr
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	for i := range benchClients {
		client, err1 := ln.Accept()
		server, err2 := ln.Accept()
		if err1 != nil || err2 != nil {
			b.Fatal(err1, err2)
		}
		link(b, loops[i%n], client, server)
	}
	before := processorTime(b)
	b.ResetTimer()
	if err := load.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
