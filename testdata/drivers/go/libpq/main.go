// Command libpq uses lib/pq as its documentation shows it: one sql.DB for all clients.
package main

import (
	"context"
	"database/sql"
	"encoding/json"

	"drivers/scenario"

	"github.com/lib/pq"
)

type client struct {
	db   *sql.DB
	book *sql.Stmt // prepared on each connection that runs it
}

func main() {
	db, err := sql.Open("postgres", scenario.URL)
	if err != nil {
		panic(err)
	}
	scenario.Run("github.com/lib/pq", func() (scenario.Client, error) {
		book, err := db.Prepare("SELECT title, price FROM books WHERE id = $1")
		return client{db, book}, err
	})
}

func (c client) ReadBook(id int) (b scenario.Book, err error) {
	return b, c.book.QueryRow(id).Scan(&b.Title, &b.Price)
}

func (c client) ReadDetails(id int) (d scenario.Detail, err error) {
	var extra []byte
	err = c.db.QueryRow("SELECT mood, tags, extra, published FROM books WHERE id = $1", id).
		Scan(&d.Mood, pq.Array(&d.Tags), &extra, &d.Published)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(extra, &struct{ Pages *int }{&d.Pages})
}

func (c client) AddNote(client int, body string) (id int64, err error) {
	return id, c.db.QueryRow("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", client, body).Scan(&id)
}

func (c client) ReadNote(id int64) (body string, err error) {
	return body, c.db.QueryRow("SELECT body FROM notes WHERE id = $1", id).Scan(&body)
}

func (c client) ChangeNote(id int64, body string) error {
	_, err := c.db.Exec("UPDATE notes SET body = $2 WHERE id = $1", id, body)
	return err
}

func (c client) CountNotes(client int) (n int, err error) {
	return n, c.db.QueryRow("SELECT count(*) FROM notes WHERE client = $1", client).Scan(&n)
}

func (c client) TakeBack(client int, body string) error {
	tx, err := c.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id int64
	var again string
	if err := tx.QueryRow("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", client, body).Scan(&id); err != nil {
		return err
	}
	if err := tx.QueryRow("SELECT body FROM notes WHERE id = $1", id).Scan(&again); err != nil {
		return err
	}
	if again != body {
		return scenario.ErrUnread
	}
	return tx.Rollback()
}

func (c client) Introspect() error { return nil }

func (c client) Fate(id int) (status, reason string, err error) {
	ctx := context.Background()
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	var title string
	if err := conn.QueryRowContext(ctx, "SELECT title FROM books WHERE id = $1", id).Scan(&title); err != nil {
		return "", "", err
	}
	if err := conn.QueryRowContext(ctx, "SHOW overdrive.status").Scan(&status); err != nil {
		return "", "", err
	}
	return status, reason, conn.QueryRowContext(ctx, "SHOW overdrive.reason").Scan(&reason)
}
