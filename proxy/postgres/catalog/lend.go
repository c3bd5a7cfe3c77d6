package catalog

import (
	"context"
	"errors"
	"fmt"

	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// This file lends a connection to whoever else has a question of our own.

// errNeeded says that a connection of our own was closed because clients waited for its slot.
var errNeeded = errors.New("clients wait for the connection")

// Lend opens a connection that has what every login has, but can write nothing, for as long as use takes. It has the keeper's slot,
// so it is closed soon where clients wait for that.
func (k *Keeper) Lend(ctx context.Context, use func(*upstream.Conn) error) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	k.hangUp()
	defer k.hangUp()
	err := k.takeSlot(ctx)
	if len(k.aside) > 0 { // it took long, and nobody could look meanwhile
		k.Ask()
	}
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	yielding := make(chan bool, 1)
	go func() { yielding <- k.yield(over, stop) }()
	err = k.with(ctx, use)
	close(over)
	if wanted := <-yielding; wanted && err != nil {
		k.grace.double()
		return fmt.Errorf("%w: %w", errNeeded, err)
	}
	return err
}

// with is Lend where the slot is held.
func (k *Keeper) with(ctx context.Context, use func(*upstream.Conn) error) error {
	conn, err := k.given.Connect(ctx, classify.PlainSettings)
	if err != nil {
		return err
	}
	defer conn.Close(byeLimit)
	k.asked.Store(conn)
	defer k.asked.Store(nil)
	defer context.AfterFunc(ctx, func() { conn.NC.Close() })()
	return use(conn)
}
