package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"overdrive/proxy/proxytest/pglocal"
)

const (
	idleDialers = 32
	// settle is the time from the last login to the measurement, for a garbage collector to run and timers to fire.
	settle = 10 * time.Second
)

// measureIdle opens clients that log in and then say nothing, and prints how much each pooler's memory grew.
func measureIdle(ctx context.Context, l *lab, opts options) error {
	fmt.Printf("\n| target | idle clients | resident before | after | bytes per client |\n|---|--:|--:|--:|--:|\n")
	for _, t := range l.targetsFor("simple") {
		if t.pid == 0 {
			continue
		}
		before, err := residentBytes(t.pid)
		if err != nil {
			return err
		}
		clients, err := openIdle(ctx, t.port, opts.idle)
		if err == nil {
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		after, memErr := residentBytes(t.pid)
		for _, c := range clients {
			c.Close()
		}
		if err := errors.Join(err, memErr); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Printf("| %s | %d | %d | %d | %d |\n", t.name, opts.idle, before, after, (after-before)/int64(opts.idle))
	}
	return nil
}

// raiseOpenFiles makes room for n connections in this process and in those it will start. Go raises its own limit but
// starts programs with the one it found, unless the limit is set here.
func raiseOpenFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	const others = 200
	if uint64(n+others) > limit.Max {
		return fmt.Errorf("-idle %d needs more open files than the limit of %d (ulimit -Hn)", n, limit.Max)
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// openIdle opens n clients, a few at a time. What it opened is returned on error too.
func openIdle(ctx context.Context, port, n int) ([]net.Conn, error) {
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex // guards the two below
		clients []net.Conn
		failed  error
	)
	turns := make(chan struct{})
	for range idleDialers {
		wg.Go(func() {
			for range turns {
				conn, err := logIn(ctx, port)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					clients = append(clients, conn)
				}
				mu.Unlock()
			}
		})
	}
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	wg.Wait()
	return clients, failed
}

// logIn connects and reads up to the first ReadyForQuery. It keeps nothing but the socket, so that this process stays
// small beside the one it measures.
func logIn(ctx context.Context, port int) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+itoa(port))
	if err != nil {
		return nil, err
	}
	if err := startup(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func startup(conn net.Conn) error {
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	body = append(body, "user\x00"+pglocal.Superuser+"\x00database\x00"+database+"\x00\x00"...)
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("login: %w", err)
		}
		said := make([]byte, max(int(binary.BigEndian.Uint32(head[1:])), 4)-4)
		if _, err := io.ReadFull(r, said); err != nil {
			return fmt.Errorf("login: %w", err)
		}
		switch head[0] {
		case 'E':
			return fmt.Errorf("login: %q", said)
		case 'Z':
			return conn.SetDeadline(time.Time{})
		}
	}
}
