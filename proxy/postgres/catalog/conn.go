package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// disconnect closes the connection, for another one.
func (k *Keeper) disconnect() {
	if k.conn != nil {
		k.asked.Store(nil)
		k.conn.Close(byeLimit)
		k.conn, k.looked = nil, nil
	}
}

// interrupt has the server end the question at hand, so that it does not go on with it when the connection is gone.
func (k *Keeper) interrupt() {
	conn := k.asked.Load()
	if conn == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), byeLimit)
	defer stop()
	if conn.Home.Cancel(ctx, conn.PID, conn.Secret) == nil {
		wait(ctx, 50*time.Millisecond, nil) // for the server to say so, and to hang up in good order
	}
}

// connect opens a connection, which has what every login has now.
func (k *Keeper) connect(ctx context.Context) error {
	if k.conn != nil {
		return nil
	}
	conn, err := k.given.Connect(ctx, classify.SessionSettings)
	for tries := 0; tries < 4 && k.slot.tight && isFull(err); tries++ { // the connection that made room may not be gone yet
		wait(ctx, 25*time.Millisecond<<tries, nil)
		conn, err = k.given.Connect(ctx, classify.SessionSettings)
	}
	if err != nil {
		return fmt.Errorf("read catalog: %w", err)
	}
	k.conn = conn
	k.asked.Store(conn)
	if k.visiting && !k.identity.Known() {
		k.identity.Introduce(conn.Params)
	}
	if k.system.Load() == nil {
		return k.identify(ctx)
	}
	return nil
}

// isFull reports whether the server takes no more connections.
func isFull(err error) bool {
	var refusal *upstream.ServerError
	return errors.As(err, &refusal) && refusal.Code == pgwire.CodeTooManyConnections
}

// identify asks the server which it is. Some do not tell.
func (k *Keeper) identify(ctx context.Context) error {
	defer k.bound(ctx)()
	name, err := k.value("SELECT system_identifier FROM pg_catalog.pg_control_system()")
	var refusal *upstream.ServerError
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	k.system.Store(&name)
	return nil
}

// bound has the connection closed when ctx ends, until the function that it returns is called.
func (k *Keeper) bound(ctx context.Context) func() bool {
	nc := k.conn.NC
	return context.AfterFunc(ctx, func() { nc.Close() })
}

// query asks a question of ours.
func (k *Keeper) query(sql string) ([][]string, error) {
	rows, err := k.conn.Query(sql)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	return rows, nil
}

// value returns the one value that a query of ours gives.
func (k *Keeper) value(sql string) (string, error) {
	rows, err := k.query(sql)
	switch {
	case err != nil:
		return "", err
	case len(rows) != 1 || len(rows[0]) != 1:
		return "", fmt.Errorf("read catalog: got %d rows, want one value", len(rows))
	}
	return rows[0][0], nil
}

// hangUp closes the connection and gives its slot back.
func (k *Keeper) hangUp() {
	k.disconnect()
	k.slot.giveBack()
}

// rest hangs up. What changes from now on is not noticed, so the catalog is not trusted before the next look.
func (k *Keeper) rest() {
	k.hangUp()
	k.suspend()
}

// suspend puts the catalogs aside.
func (k *Keeper) suspend() {
	for _, l := range k.identity.EveryLens() {
		if catalog, generation := l.Classifier.Suspend(); catalog != nil {
			k.aside = append(k.aside, aside{l, catalog, generation})
		}
	}
}
