//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// noCode stands in a tally for an error without SQLSTATE: the connection ended without a word.
const noCode = "none"

// A load is all clients of one proxy.
type load struct {
	login   *pgconn.Config
	clients []*client
	stop    context.CancelFunc
	done    sync.WaitGroup

	gate   sync.RWMutex // held by each request for reading, and for writing while the load sleeps
	asleep bool         // of the trial's own goroutine
	// outage is how long the fault lasts at most: no request can be answered while the server is out of reach.
	outage atomic.Int64

	mu       sync.Mutex // guards the fields below
	requests int
	codes    map[string]int
	samples  map[string][]string // the first errors of each code
	wrongs   []string
	hangs    []string
}

// newLoad makes clients and has them work.
func newLoad(login *pgconn.Config) *load {
	l := &load{login: login}
	l.forget()
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	for id := range clients {
		c := &client{load: l, id: id}
		l.clients = append(l.clients, c)
		l.done.Go(func() { c.roam(ctx) })
	}
	return l
}

// within is how long a request may take now.
func (l *load) within() time.Duration { return patient(limits.answer) + time.Duration(l.outage.Load()) }

// forget begins a new phase.
func (l *load) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests, l.codes, l.samples = 0, map[string]int{}, map[string][]string{}
}

// count notes how a request went.
func (l *load) count(c *client, name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err == nil {
		return
	}
	text := fmt.Sprintf("client %d, %s: %v", c.id, name, err)
	var (
		refused *pgconn.PgError
		bad     *wrongAnswer
		code    = noCode
	)
	switch {
	case errors.As(err, &bad):
		l.wrongs = append(l.wrongs, text)
		return
	case errors.Is(err, context.DeadlineExceeded):
		l.hangs = append(l.hangs, text)
		return
	case errors.As(err, &refused) && refused.Code != "":
		code = refused.Code
	}
	l.codes[code]++
	if few := l.samples[code]; len(few) < 3 {
		l.samples[code] = append(few, text)
	}
}

// awaitWrites returns how long it took until every client has written, from now on, or false.
func (l *load) awaitWrites(limit time.Duration) (time.Duration, bool) {
	began := time.Now()
	for _, c := range l.clients {
		c.wrote.Store(false)
	}
	for _, c := range l.clients {
		for !c.wrote.Load() {
			if time.Since(began) > limit {
				return limit, false
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return time.Since(began), true
}

// tally is what a phase came to.
type tally struct {
	requests int
	codes    map[string]int
	samples  map[string][]string
}

func (l *load) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return tally{l.requests, maps.Clone(l.codes), maps.Clone(l.samples)}
}

func (t tally) String() string {
	var words []string
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		words = append(words, fmt.Sprint(code, "×", t.codes[code]))
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, " ")
}

// outside returns a sample of each error that has none of these codes, which are separated by spaces.
func (t tally) outside(codes string) (samples []string) {
	for _, code := range slices.Sorted(maps.Keys(t.codes)) {
		if !slices.Contains(strings.Fields(codes), code) {
			samples = append(samples, fmt.Sprintf("%d × %s, such as\n\t%s", t.codes[code], code, strings.Join(t.samples[code], "\n\t")))
		}
	}
	return samples
}

// sleep waits for the requests under way, and begins no more.
func (l *load) sleep() {
	l.gate.Lock()
	l.asleep = true
}

func (l *load) wake() {
	if l.asleep {
		l.asleep = false
		l.gate.Unlock()
	}
}

// end has all clients leave.
func (l *load) end() {
	l.stop()
	l.wake()
	l.done.Wait()
}
