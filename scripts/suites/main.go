// Command suites runs the test suites of others, which know nothing of a proxy, straight at a PostgreSQL and through the real program, and
// compares what becomes of each test. docs/suites.md says which suites these are and how to read the tables.
//
//	go run ./scripts/suites              all of them
//	go run ./scripts/suites pgx          those with these words in their names
//	go run ./scripts/suites -keep pgx    and leaves what they printed in a directory
//
// A difference that testdata/suites does not name with its reason fails the command. A suite that cannot be fetched on this machine is
// named and counts for nothing; the command fails if there is none that can.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/scripts/serving"
)

const where = "testdata/suites"

// A suite is somebody else's tests.
type suite struct {
	name string
	ways []way
	// fetch gets the tests. It returns why they cannot be had on this machine, or what went wrong.
	fetch func(ctx context.Context, r *room) (tests, error, error)
}

// Tests have been fetched.
type tests interface {
	// start starts the PostgreSQL that they are written for.
	start(ctx context.Context) (server, error)
}

// A server is a PostgreSQL for one run of a suite.
type server interface {
	// configuration is that of the proxy in front of it.
	configuration(w way) string
	// login is user and password of one who may look at the proxy's console, in the form of libpq.
	login() string
	// run runs the tests at PostgreSQL itself, or at the proxy on this port.
	run(ctx context.Context, w way, port string) (results, error)
	Stop() error
}

// A way is how a suite reaches PostgreSQL.
type way struct {
	name  string
	mode  string // of the pool; "" where there is no proxy between
	cache bool   // on, for the first reads of transactions, too
}

var (
	direct           = way{name: "direct"}
	session          = way{name: "session", mode: "session"}
	sessionCache     = way{name: "session+cache", mode: "session", cache: true}
	transaction      = way{name: "transaction", mode: "transaction"}
	transactionCache = way{name: "transaction+cache", mode: "transaction", cache: true}
)

var suites = []suite{
	{"pgx", []way{session, sessionCache, transaction, transactionCache}, fetchPgx},
	{"regress", []way{session, sessionCache, transaction, transactionCache}, fetchRegress},
}

// A room is where a suite is kept while it runs.
type room struct {
	dir       string
	overdrive string // the program
}

func main() {
	keep := flag.Bool("keep", false, "leave what the tests printed in a directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, flag.Args(), *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// run prints the tables, and returns whether all is well.
func run(ctx context.Context, words []string, keep bool) (good bool, err error) {
	dir, err := os.MkdirTemp("", "overdrive-suites-")
	if err != nil {
		return false, err
	}
	if keep {
		progress("everything is kept in %s", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL, another user, reads the files of its tests
		return false, err
	}
	overdrive, err := serving.Build(ctx, dir)
	if err != nil {
		return false, err
	}
	tried := 0
	good = true
	for _, s := range suites {
		if !s.named(words) {
			continue
		}
		r := &room{dir: filepath.Join(dir, s.name), overdrive: overdrive}
		if err := os.Mkdir(r.dir, 0o755); err != nil {
			return false, err
		}
		missing, ok, err := s.try(ctx, r)
		switch {
		case err != nil:
			return false, fmt.Errorf("%s: %w", s.name, err)
		case missing != nil:
			progress("%s is not to be had: %v", s.name, missing)
		default:
			tried++
			good = good && ok
		}
	}
	if tried == 0 {
		return false, fmt.Errorf("no suite was tried")
	}
	return good, nil
}

// named says whether the suite has one of the words in its name, or there are none.
func (s *suite) named(words []string) bool {
	for _, word := range words {
		if strings.Contains(s.name, strings.ToLower(word)) {
			return true
		}
	}
	return len(words) == 0
}

// try runs a suite in all its ways. It returns why that cannot be done on this machine, or whether all went well.
func (s *suite) try(ctx context.Context, r *room) (missing error, good bool, err error) {
	named, err := readNamedFile(where, s.name)
	if err != nil {
		return nil, false, err
	}
	progress("%s: fetching", s.name)
	t, missing, err := s.fetch(ctx, r)
	if missing != nil || err != nil {
		return missing, false, err
	}
	base, _, err := r.run(ctx, t, s.name, direct)
	if err != nil {
		return nil, false, err
	}
	v := verdict{suite: s.name, base: base, named: named}
	for _, w := range s.ways {
		got, hits, err := r.run(ctx, t, s.name, w)
		if err != nil {
			return nil, false, err
		}
		v.add(w, got, hits)
	}
	return nil, v.write(os.Stdout), nil
}

// run runs a suite in one way, with a PostgreSQL and a proxy of its own, and returns how many of the answers came from the cache, too.
func (r *room) run(ctx context.Context, t tests, name string, w way) (got results, hits int, err error) {
	progress("%s: %s", name, w.name)
	s, err := t.start(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer s.Stop()
	if w.mode == "" {
		got, err = s.run(ctx, w, "")
		return got, 0, err
	}
	p, err := serving.Serve(r.overdrive, r.dir, s.configuration(w))
	if err != nil {
		return nil, 0, err
	}
	got, err = s.run(ctx, w, p.Port)
	if err == nil {
		hits, err = countHits(ctx, fmt.Sprintf("host=127.0.0.1 port=%s dbname=overdrive %s", p.Port, s.login()))
	}
	if stopErr := p.Stop(); err == nil {
		err = stopErr
	}
	return got, hits, err
}

// countHits asks the console.
func countHits(ctx context.Context, console string) (hits int, err error) {
	conn, err := pgconn.Connect(ctx, console)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	answers, err := conn.Exec(ctx, "SHOW CACHE").ReadAll()
	if err != nil {
		return 0, err
	}
	for _, answer := range answers {
		at := slices.IndexFunc(answer.FieldDescriptions, func(f pgconn.FieldDescription) bool { return f.Name == "hits" })
		for _, database := range answer.Rows {
			n, err := strconv.Atoi(string(database[at]))
			if err != nil {
				return 0, err
			}
			hits += n
		}
	}
	return hits, nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
