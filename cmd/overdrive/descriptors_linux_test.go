package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Out of descriptors, clients are told so, those who are in notice nothing, and new ones get in when others leave.
func TestServe_SaysThatItIsOutOfDescriptors(t *testing.T) {
	const limit = 100
	cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, limit), os.Args[0]},
		anywhere([]string{"--connection-string", sharedDSN(t)})...)...)
	log := startApart(t, cmd)
	s := &service{t: t, lines: make(chan map[string]any, 1000)}
	go s.follow(log)
	if line := s.await("limits.max_clients cannot be had: too few file descriptors (ulimit -n)"); line["limit"] != float64(limit) ||
		line["max_clients"] != float64(10000) || line["needed"] != float64(10000+21+otherDescriptors) {
		t.Errorf("got %v", line)
	}
	s.address, _ = s.await("listening")["address"].(string)

	dsn := at(t, sharedDSN(t), s.address)
	var clients []*pgconn.PgConn
	for len(clients) < limit {
		conn, err := pgconn.Connect(t.Context(), dsn+"&connect_timeout=5")
		if err != nil {
			if !strings.Contains(err.Error(), "53300") {
				t.Errorf("the last descriptor, and none for the hand-over to a loop: %v", err)
			}
			break
		}
		defer conn.Close(t.Context())
		clients = append(clients, conn)
	}
	if len(clients) < limit/2 || len(clients) == limit {
		t.Fatalf("%d clients were let in with %d descriptors", len(clients), limit)
	}
	var silent []net.Conn
	for range 10 {
		nc, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		silent = append(silent, nc)
	}
	for range 5 { // there is not even one for its socket
		wantRefusal(t, dsn+"&connect_timeout=5", "53300")
	}
	for _, nc := range silent {
		nc.Close()
	}
	query(t, clients[0], "select 1")
	for _, conn := range clients[len(clients)/2:] {
		conn.Close(t.Context())
	}
	for {
		conn, err := pgconn.Connect(t.Context(), dsn)
		if err == nil {
			query(t, conn, "select 1")
			conn.Close(t.Context())
			break
		}
		if !strings.Contains(err.Error(), "53300") {
			t.Fatal(err)
		}
	}
}
