// Command pgx uses pgx as its README shows it: a connection of its own for each client.
package main

import (
	"context"

	"drivers/scenario"

	"github.com/jackc/pgx/v5"
)

type client struct{ conn *pgx.Conn }

func main() {
	scenario.Run("github.com/jackc/pgx/v5", func() (scenario.Client, error) {
		conn, err := pgx.Connect(context.Background(), scenario.URL)
		return client{conn}, err
	})
}

func (c client) one(sql string, args []any, into ...any) error {
	return c.conn.QueryRow(context.Background(), sql, args...).Scan(into...)
}

func (c client) ReadBook(id int) (b scenario.Book, err error) {
	return b, c.one("SELECT title, price::text FROM books WHERE id = $1", []any{id}, &b.Title, &b.Price)
}

func (c client) ReadDetails(id int) (d scenario.Detail, err error) {
	var extra struct{ Pages int }
	err = c.one("SELECT mood, tags, extra, published FROM books WHERE id = $1", []any{id}, &d.Mood, &d.Tags, &extra, &d.Published)
	d.Pages = extra.Pages
	return d, err
}

func (c client) AddNote(client int, body string) (id int64, err error) {
	return id, c.one("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", []any{client, body}, &id)
}

func (c client) ReadNote(id int64) (body string, err error) {
	return body, c.one("SELECT body FROM notes WHERE id = $1", []any{id}, &body)
}

func (c client) ChangeNote(id int64, body string) error {
	_, err := c.conn.Exec(context.Background(), "UPDATE notes SET body = $2 WHERE id = $1", id, body)
	return err
}

func (c client) CountNotes(client int) (n int, err error) {
	return n, c.one("SELECT count(*) FROM notes WHERE client = $1", []any{client}, &n)
}

func (c client) TakeBack(client int, body string) error {
	ctx := context.Background()
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	var id int64
	var again string
	if err := tx.QueryRow(ctx, "INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", client, body).Scan(&id); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, "SELECT body FROM notes WHERE id = $1", id).Scan(&again); err != nil {
		return err
	}
	if again != body {
		return scenario.ErrUnread
	}
	return tx.Rollback(ctx)
}

// Introspect looks an enum up and registers it, as pgx wants it for arrays of it.
func (c client) Introspect() error {
	t, err := c.conn.LoadType(context.Background(), "mood")
	if err == nil {
		c.conn.TypeMap().RegisterType(t)
	}
	return err
}

func (c client) Fate(id int) (status, reason string, err error) {
	if _, err := c.ReadBook(id); err != nil {
		return "", "", err
	}
	if err := c.one("SHOW overdrive.status", nil, &status); err != nil {
		return "", "", err
	}
	return status, reason, c.one("SHOW overdrive.reason", nil, &reason)
}
