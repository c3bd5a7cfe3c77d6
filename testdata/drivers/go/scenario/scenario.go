// Package scenario is what each client of each Go program does with its driver.
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	reads   = 40
	details = 10
	writes  = 5
)

// URL is where the proxy is, with TLS.
var URL = fmt.Sprintf("postgres://%s:%s@%s:%s/%s?sslmode=verify-full&sslrootcert=%s", os.Getenv("DRIVERS_USER"),
	os.Getenv("DRIVERS_PASSWORD"), os.Getenv("DRIVERS_HOST"), os.Getenv("DRIVERS_PORT"), os.Getenv("DRIVERS_DATABASE"), os.Getenv("DRIVERS_CA"))

// A Book is what ReadBook reads.
type Book struct{ Title, Price string }

// A Detail is what ReadDetails reads.
type Detail struct {
	Mood      string
	Tags      []string
	Pages     int
	Published time.Time
}

// A Client uses a driver.
type Client interface {
	ReadBook(id int) (Book, error)
	ReadDetails(id int) (Detail, error)
	AddNote(client int, body string) (id int64, err error)
	ReadNote(id int64) (body string, err error)
	ChangeNote(id int64, body string) error
	CountNotes(client int) (int, error)
	TakeBack(client int, body string) error            // adds a note in a transaction, reads it there, and rolls back
	Introspect() error                                 // what the framework asks of the catalog, if it does
	Fate(id int) (status, reason string, failed error) // reads the book and, as the same session, asks the proxy what became of that
}

// ErrUnread says that a transaction did not read its own write.
var ErrUnread = errors.New("not read in its transaction")

type seen struct {
	Served         bool   `json:"served"`
	Writes         int    `json:"writes"`
	OwnWritesRead  int    `json:"own_writes_read"`
	RollbackUndone bool   `json:"rollback_undone"`
	TypesRead      bool   `json:"types_read"`
	Status         string `json:"status"`
	Reason         string `json:"reason"`
	Error          string `json:"error"`
}

// Run runs the clients, each in a goroutine, prints what they saw, and keeps their connections until the runner has looked at them.
func Run(module string, connect func() (Client, error)) {
	count, _ := strconv.Atoi(os.Getenv("DRIVERS_CLIENTS"))
	all := make([]seen, count)
	kept := make([]Client, count)
	var wg sync.WaitGroup
	for number := range all {
		wg.Go(func() {
			var err error
			all[number].TypesRead = true
			if kept[number], err = connect(); err == nil {
				err = all[number].visit(kept[number], number)
			}
			if err != nil {
				all[number].Error = describe(err)
			}
		})
	}
	wg.Wait()
	text, _ := json.Marshal(struct {
		Version string `json:"version"`
		Clients []seen `json:"clients"`
	}{version(module), all})
	fmt.Println(string(text))
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = kept
}

func describe(err error) string {
	fmt.Fprintln(os.Stderr, err)
	var known interface{ SQLState() string }
	if errors.As(err, &known) {
		return known.SQLState() + ": " + err.Error()
	}
	return err.Error()
}

// version is what the program was built with.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return ""
}

func (s *seen) visit(c Client, number int) (err error) {
	if err := c.Introspect(); err != nil {
		return err
	}
	if err := s.read(c); err != nil {
		return err
	}
	for i := range writes {
		if err := s.write(c, number, i); err != nil {
			return err
		}
	}
	before, err := c.CountNotes(number)
	if err != nil {
		return err
	}
	if err := c.TakeBack(number, "never"); err != nil {
		return err
	}
	after, err := c.CountNotes(number)
	if err != nil {
		return err
	}
	s.RollbackUndone = before == after
	if err := s.read(c); err != nil {
		return err
	}
	s.Status, s.Reason, err = c.Fate(1)
	s.Served = err == nil
	return err
}

func (s *seen) read(c Client) error {
	for i := range reads {
		id := i%5 + 1
		book, err := c.ReadBook(id)
		if err != nil {
			return err
		}
		price, _ := strconv.ParseFloat(book.Price, 64)
		if book.Title != fmt.Sprintf("Book %d", id) || price != float64(id)+0.5 {
			return fmt.Errorf("book %d is %s at %s", id, book.Title, book.Price)
		}
	}
	for i := range details {
		id := i%5 + 1
		d, err := c.ReadDetails(id)
		if err != nil {
			return err
		}
		if d.Mood != "happy" || !slices.Equal(d.Tags, []string{"paper", "signed"}) || d.Pages != 100+id ||
			!d.Published.Equal(time.Date(2020, 6, 1, 12, 0, 0, 0, time.UTC)) {
			s.TypesRead = false
		}
	}
	return nil
}

func (s *seen) write(c Client, number, i int) error {
	before, err := c.CountNotes(number)
	if err != nil {
		return err
	}
	id, err := c.AddNote(number, fmt.Sprintf("new %d", i))
	if err != nil {
		return err
	}
	body, err := c.ReadNote(id)
	if err != nil {
		return err
	}
	s.count(body == fmt.Sprintf("new %d", i))
	after, err := c.CountNotes(number)
	if err != nil {
		return err
	}
	s.count(after == before+1)
	if err := c.ChangeNote(id, fmt.Sprintf("changed %d", i)); err != nil {
		return err
	}
	if body, err = c.ReadNote(id); err != nil {
		return err
	}
	s.count(body == fmt.Sprintf("changed %d", i))
	return nil
}

func (s *seen) count(read bool) {
	s.Writes++
	if read {
		s.OwnWritesRead++
	}
}
