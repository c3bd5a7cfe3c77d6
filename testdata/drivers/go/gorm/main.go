// Command gorm uses GORM over its PostgreSQL driver as its documentation shows it: one gorm.DB for all clients.
package main

import (
	"encoding/json"
	"errors"
	"time"

	"drivers/scenario"

	"github.com/lib/pq"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Book is a row of books.
type Book struct {
	ID        int
	Title     string
	Price     string
	Mood      string
	Tags      pq.StringArray `gorm:"type:text[]"`
	Extra     string         `gorm:"type:jsonb"`
	Published time.Time
}

// Note is a row of notes.
type Note struct {
	ID     int64
	Client int
	Body   string
}

type client struct{ db *gorm.DB }

func main() {
	db, err := gorm.Open(postgres.Open(scenario.URL), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		panic(err)
	}
	scenario.Run("gorm.io/gorm", func() (scenario.Client, error) { return client{db}, nil })
}

func (c client) ReadBook(id int) (scenario.Book, error) {
	var b Book
	err := c.db.Select("title", "price").First(&b, id).Error
	return scenario.Book{Title: b.Title, Price: b.Price}, err
}

func (c client) ReadDetails(id int) (d scenario.Detail, err error) {
	var b Book
	if err := c.db.First(&b, id).Error; err != nil {
		return d, err
	}
	d = scenario.Detail{Mood: b.Mood, Tags: b.Tags, Published: b.Published}
	return d, json.Unmarshal([]byte(b.Extra), &struct{ Pages *int }{&d.Pages})
}

func (c client) AddNote(client int, body string) (int64, error) {
	n := Note{Client: client, Body: body}
	err := c.db.Create(&n).Error
	return n.ID, err
}

func (c client) ReadNote(id int64) (string, error) {
	var n Note
	err := c.db.First(&n, id).Error
	return n.Body, err
}

func (c client) ChangeNote(id int64, body string) error {
	var n Note
	if err := c.db.First(&n, id).Error; err != nil {
		return err
	}
	return c.db.Model(&n).Update("body", body).Error
}

func (c client) CountNotes(client int) (int, error) {
	var n int64
	err := c.db.Model(&Note{}).Where("client = ?", client).Count(&n).Error
	return int(n), err
}

var errTakenBack = errors.New("to be rolled back")

func (c client) TakeBack(client int, body string) error {
	err := c.db.Transaction(func(tx *gorm.DB) error {
		n := Note{Client: client, Body: body}
		if err := tx.Create(&n).Error; err != nil {
			return err
		}
		var again Note
		if err := tx.First(&again, n.ID).Error; err != nil {
			return err
		}
		if again.Body != body {
			return scenario.ErrUnread
		}
		return errTakenBack
	})
	if errors.Is(err, errTakenBack) {
		return nil
	}
	return err
}

func (c client) Introspect() error {
	columns, err := c.db.Migrator().ColumnTypes(&Book{})
	if err == nil && (len(columns) != 7 || !c.db.Migrator().HasTable("notes")) {
		err = errors.New("the tables are not as they were made")
	}
	return err
}

func (c client) Fate(id int) (status, reason string, err error) {
	err = c.db.Connection(func(tx *gorm.DB) error {
		var b Book
		if err := tx.Select("title", "price").First(&b, id).Error; err != nil {
			return err
		}
		if err := tx.Raw("SHOW overdrive.status").Scan(&status).Error; err != nil {
			return err
		}
		return tx.Raw("SHOW overdrive.reason").Scan(&reason).Error
	})
	return status, reason, err
}
