package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/scripts/serving"
)

const (
	measured = 200 // rounds, in each of which everything is measured once
	bursts   = 3   // of burst requests, crowdSize at a time
	burst    = 160
	warming  = 20
)

// A series is what was measured of one way to a database, or to none.
type series struct {
	name     string
	do       func(context.Context) error
	tail     bool            // whether bursts are sent, too
	times    []time.Duration // of one at a time
	rate     []float64       // per second, of each burst
	sessions int             // that PostgreSQL began for the bursts
}

type figures []*series

// measure takes all figures in one run, interleaved, with a second wrangler dev that goes straight to PostgreSQL.
func (s *stage) measure(ctx context.Context) (figures, error) {
	progress("measuring")
	straight, err := develop(ctx, filepath.Join(s.dir, "straight"), s.straight())
	if err != nil {
		return nil, err
	}
	defer straight.end()
	all := figures{{name: "a request without a database", do: requests(s.worker, "")}}
	for _, driver := range drivers {
		path := "games/1?driver=" + driver
		all = append(all,
			&series{name: driver + ", through Overdrive", do: requests(s.worker, path), tail: true},
			&series{name: driver + ", straight to PostgreSQL", do: requests(straight, path), tail: true})
	}
	all = append(all,
		&series{name: "a login alone, at Overdrive", do: logins(s.throughProxy(database))},
		&series{name: "a login alone, at PostgreSQL", do: logins(s.straight())})
	if err := all.interleave(ctx); err != nil {
		return nil, err
	}
	return all, s.burst(ctx, all)
}

// requests returns what sends one.
func requests(d *dev, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		a, err := d.get(ctx, path)
		if err == nil && a.code != http.StatusOK {
			err = fmt.Errorf("%s: the Worker answers %s", path, a.verdict())
		}
		return err
	}
}

// logins returns what opens a connection, as a Worker does for each request, and closes it.
func logins(dsn string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
}

// interleave measures one of each in turn, and begins each round with another.
func (all figures) interleave(ctx context.Context) error {
	for round := range warming + measured {
		for i := range all {
			one := all[(round+i)%len(all)]
			began := time.Now()
			if err := one.do(ctx); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			if round >= warming {
				one.times = append(one.times, time.Since(began))
			}
		}
	}
	return nil
}

// burst measures how many requests are answered when several are sent at a time.
func (s *stage) burst(ctx context.Context, all figures) error {
	for range bursts {
		for _, one := range all {
			if !one.tail {
				continue
			}
			before, err := s.sessions(ctx)
			if err != nil {
				return err
			}
			began := time.Now()
			if err := atOnce(ctx, one.do); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
			one.rate = append(one.rate, burst/time.Since(began).Seconds())
			after, err := s.sessions(ctx)
			if err != nil {
				return err
			}
			one.sessions += after - before
		}
	}
	return nil
}

// atOnce does it burst times, crowdSize at a time.
func atOnce(ctx context.Context, do func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for range crowdSize {
		all.Go(func() {
			for range burst / crowdSize {
				if err := do(ctx); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// sessions is how many connections PostgreSQL has let in so far.
func (s *stage) sessions(ctx context.Context) (int, error) {
	rows, err := serving.Ask(ctx, s.direct, "SELECT sessions FROM pg_stat_database WHERE datname = '"+database+"'")
	if err != nil {
		return 0, err
	}
	return rows[0].Number("sessions"), nil
}

// print writes the table of docs/worker.md.
func (all figures) print(out io.Writer) error {
	fmt.Fprintf(out, "| %d of each, in turn | median, ms | p95, ms | per second, %d at a time | connections that PostgreSQL began for %d |\n", measured, crowdSize, bursts*burst)
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|")
	for _, one := range all {
		rate, sessions := "–", "–"
		if one.tail {
			rate, sessions = fmt.Sprintf("%.0f", quantile(one.rate, 0.5)), fmt.Sprint(one.sessions)
		}
		_, err := fmt.Fprintf(out, "| %s | %.1f | %.1f | %s | %s |\n", one.name, milliseconds(quantile(one.times, 0.5)),
			milliseconds(quantile(one.times, 0.95)), rate, sessions)
		if err != nil {
			return err
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile returns the smallest value that the part q of all, 1 at most, does not exceed.
func quantile[T time.Duration | float64](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
