package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A tap lets what is written pass until it is shut; then whoever writes waits.
type tap struct {
	io.Writer
	shut atomic.Bool
	open chan struct{}
}

func (w *tap) Write(b []byte) (int, error) {
	if w.shut.Load() {
		<-w.open
	}
	return w.Writer.Write(b)
}

func TestServe_GoesOnWhileNobodyReadsItsLog(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	defer cancel()
	log, end := io.Pipe()
	w := &tap{Writer: end, open: make(chan struct{})}
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, anywhere([]string{"--connection-string", sharedDSN(t), "--log-level=debug"}), io.Discard, w)
	}()
	s := newService(t, log)
	w.shut.Store(true)
	soon, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for range 10 { // each leaves a line behind when it goes
		conn, err := pgconn.Connect(soon, at(t, sharedDSN(t), s.address))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := firstRow(soon, conn, "select 1"); err != nil {
			t.Fatal(err)
		}
		conn.Close(soon)
	}
	cancel()
	select {
	case code := <-exit:
		if code != exitDone {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("the program does not end while nobody reads its log")
	}
	close(w.open)
	end.Close()
}

// A collector of logs that dies must not take the proxy with it.
func TestServe_GoesOnWhenNobodyWillEverReadItsLog(t *testing.T) {
	log, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], anywhere([]string{"--connection-string", sharedDSN(t), "--log-level=debug"})...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end.Close()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	s := newService(t, log)
	log.Close()
	for range 3 {
		conn := login(t, at(t, sharedDSN(t), s.address))
		query(t, conn, "select 1")
		conn.Close(t.Context())
	}
	terminate(t, cmd)
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}
