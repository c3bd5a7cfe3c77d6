package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// herdTable is read by nobody else, always as a whole and by one process: the server's count of its scans is the number
// of statements that got through.
const herdTable = "CREATE TABLE stampede WITH (parallel_workers = 0) AS SELECT i AS v FROM generate_series(1, 500000) i"

// herdLimit bounds the wait for an answer.
const herdLimit = time.Minute

// runHerd has all clients ask for what nobody asked for before, at the same moment.
func (l *lab) runHerd(ctx context.Context, t *target, clients int) (sample, error) {
	conns, err := openIdle(ctx, t.port, clients)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	if err != nil {
		return sample{}, err
	}
	const scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'stampede'"
	before, err := l.number(ctx, scans)
	if err != nil {
		return sample{}, err
	}
	cpuBefore, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	l.herds++
	latencies, err := stampede(conns, fmt.Sprintf("SELECT sum(v) FROM stampede WHERE v > -%d", l.herds))
	if err != nil {
		return sample{}, err
	}
	cpuAfter, err := cpuTime(t.pid)
	if err != nil {
		return sample{}, err
	}
	if err := l.flushStatistics(ctx); err != nil {
		return sample{}, err
	}
	after, err := l.number(ctx, scans)
	return sample{
		PerSecond: float64(clients) / percentile(latencies, 100).Seconds(), P50: percentile(latencies, 50), P99: percentile(latencies, 99),
		CPU: (cpuAfter - cpuBefore) / time.Duration(clients), Transactions: int64(clients), Upstream: after - before,
	}, err
}

// stampede sends sql on all connections and returns how long the answers took, counted from the start of all, in
// ascending order.
func stampede(conns []net.Conn, sql string) ([]time.Duration, error) {
	query := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(sql)+5))
	query = append(append(query, sql...), 0)
	latencies, errs := make([]time.Duration, len(conns)), make([]error, len(conns))
	var all sync.WaitGroup
	begin := make(chan struct{})
	var began time.Time
	for i, conn := range conns {
		all.Go(func() {
			<-begin
			errs[i] = exchange(conn, query)
			latencies[i] = time.Since(began)
		})
	}
	began = time.Now()
	close(begin)
	all.Wait()
	slices.Sort(latencies)
	return latencies, errors.Join(errs...)
}

// exchange sends a query and reads its reply.
func exchange(conn net.Conn, query []byte) error {
	if err := conn.SetDeadline(time.Now().Add(herdLimit)); err != nil {
		return err
	}
	if _, err := conn.Write(query); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 512)
	for {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		body := make([]byte, max(int(binary.BigEndian.Uint32(head[1:])), 4)-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		switch head[0] {
		case 'E':
			return fmt.Errorf("refused: %q", body)
		case 'Z':
			return nil
		}
	}
}
