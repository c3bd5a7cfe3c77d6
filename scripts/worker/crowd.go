package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"overdrive/scripts/serving"
)

const (
	crowdSize   = 8 // requests at a time
	crowdRounds = 10
)

// crowd has eight requests at a time write in transactions, with reads between them. All are served, each of them counts once, and PostgreSQL never
// sees more connections than the pool may have.
func (t *trial) crowd(ctx context.Context) error {
	if err := t.purge(ctx, "ALL"); err != nil { // of what was written around the proxy
		return err
	}
	want, err := t.points(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- t.together(ctx) }()
	most := 0
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		default:
			n, lookErr := t.serverConnections(ctx)
			if lookErr != nil {
				return errors.Join(lookErr, <-done)
			}
			most = max(most, n)
		}
	}
	if err != nil {
		return err
	}
	if most == 0 || most > servers {
		return fmt.Errorf("PostgreSQL has up to %d connections of the proxy, want 1 to %d", most, servers)
	}
	want["Harbour"] += 3 * crowdSize / 2 * crowdRounds
	return t.wantPoints(ctx, want)
}

// together sends the requests: half of them write.
func (t *trial) together(ctx context.Context) error {
	errs := make([]error, crowdSize)
	var all sync.WaitGroup
	for i := range crowdSize {
		all.Go(func() {
			for range crowdRounds {
				var a answer
				if i%2 == 0 {
					a, errs[i] = t.worker.post(ctx, t.path("results/1"), nil)
				} else {
					a, errs[i] = t.worker.get(ctx, t.path("games/1"))
				}
				if errs[i] == nil && a.code != http.StatusOK {
					errs[i] = fmt.Errorf("one of %d requests at once is answered %s", crowdSize, a.verdict())
				}
				if errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// serverConnections counts the connections to PostgreSQL but our own.
func (t *trial) serverConnections(ctx context.Context) (int, error) {
	rows, err := serving.Ask(ctx, t.direct, "SELECT count(*) AS n FROM pg_stat_activity WHERE usename = '"+user+"' AND pid <> pg_backend_pid()")
	if err != nil {
		return 0, err
	}
	return rows[0].Number("n"), nil
}
