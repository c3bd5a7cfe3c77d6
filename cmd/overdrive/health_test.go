package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func startTestHealth(t *testing.T) *health {
	t.Helper()
	h, err := startHealth("127.0.0.1:0", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func TestHealth_SilentConnectionsAreBoundedAndEnd(t *testing.T) {
	h := startTestHealth(t)
	var silent []net.Conn
	for range maxHTTPConns + 50 {
		nc, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		silent = append(silent, nc)
	}
	last := silent[len(silent)-1]
	_ = last.SetReadDeadline(time.Now().Add(httpLimit / 2))
	if n, err := last.Read(make([]byte, 1)); n > 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("one too many: got %d bytes, %v, want it closed at once", n, err)
	}
	// The others run out of time, and then there is room again.
	_ = silent[0].SetReadDeadline(time.Now().Add(4 * httpLimit))
	_, _ = io.Copy(io.Discard, silent[0])
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get("http://" + h.address + "/healthz")
		if err == nil {
			response.Body.Close()
			break
		}
		if time.Since(began) > 4*httpLimit {
			t.Fatal(err)
		}
	}
}

func TestHealth_HasALimitForEverythingThatAPeerCanDraw(t *testing.T) {
	s := startTestHealth(t).server
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 ||
		s.ErrorLog == nil {
		t.Errorf("got %+v", s)
	}
}
