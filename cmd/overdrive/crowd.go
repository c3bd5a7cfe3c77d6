package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The crowd of the tour's last step.
const (
	crowdClients    = 50
	crowdStatements = 20 // of each
)

// pooled shows many clients over few server connections. The statement tells which connection served it, and is never
// cached.
func (t *tour) pooled(ctx context.Context) error {
	t.title(fmt.Sprintf("%d clients log in to Overdrive, which may open %d connections to PostgreSQL:",
		crowdClients, demoSize))
	clients, err := connectAll(ctx, t.proxy, crowdClients)
	defer func() {
		for _, c := range clients {
			c.Close(context.WithoutCancel(ctx))
		}
	}()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := runAll(ctx, clients); err != nil {
		return err
	}
	took := time.Since(began)
	servers, err := t.serverConnections(ctx)
	if err != nil {
		return err
	}
	t.say("  %d statements of %d connected clients   %s   pg_stat_activity: %s server connections",
		crowdClients*crowdStatements, len(clients), milliseconds(took), servers)
	return nil
}

// connectAll logs in n clients. It returns those that are in, also when it fails.
func connectAll(ctx context.Context, dsn string, n int) ([]*pgconn.PgConn, error) {
	var clients []*pgconn.PgConn
	for range n {
		c, err := pgconn.Connect(ctx, dsn)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// runAll has all clients work at the same time.
func runAll(ctx context.Context, clients []*pgconn.PgConn) error {
	var wg sync.WaitGroup
	failures := make([]error, len(clients))
	for i, c := range clients {
		wg.Go(func() {
			for range crowdStatements {
				if _, err := firstRow(ctx, c, "select pg_backend_pid()"); err != nil {
					failures[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// serverConnections asks PostgreSQL, without the proxy, how many connections of the shop's user there are besides the
// one that asks.
func (t *tour) serverConnections(ctx context.Context) (string, error) {
	conn, err := pgconn.Connect(ctx, t.direct)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	row, err := firstRow(ctx, conn, "select count(*) from pg_stat_activity where usename = $1 and pid <> pg_backend_pid()", demoUser)
	if err != nil {
		return "", err
	}
	return row[0], nil
}
