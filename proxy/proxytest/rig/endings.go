package rig

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Stop shuts the instance down in the background. The result comes when nothing of it runs any more.
func (in *Instance) Stop(limit time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		done <- in.Server.Shutdown(ctx)
	}()
	return done
}

// Farewell waits for the last words to a client that asks nothing.
func Farewell(tb testing.TB, c *pgconn.PgConn) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return c.WaitForNotification(ctx)
}
