// Command fetchpostgres fetches PostgreSQL's server programs as a ready binary, for machines where they are missing and nothing may be
// installed, and prints the directory that they are in. It needs no right and no other program. What is fetched once is used again.
//
//	go -C scripts/fetchpostgres run .           fetch them, unless they are there
//	go -C scripts/fetchpostgres run . -cached   only look whether they are there
//
// They are those of https://github.com/zonkyio/embedded-postgres-binaries, from Maven Central, or from the repository that
// OVERDRIVE_MAVEN names. Wherever they come from, their SHA-256 must be the one that is written in release.go. They go to the
// user's cache directory (XDG_CACHE_HOME, else ~/.cache); for root to /var/cache, since PostgreSQL then runs as another user, who
// cannot look into root's home.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	cached := flag.Bool("cached", false, "fetch nothing")
	flag.Parse()
	syscall.Umask(0o022) // others run what root has fetched
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := run(ctx, *cached)
	if err != nil {
		if !*cached {
			fmt.Fprintln(os.Stderr, "PostgreSQL could not be fetched:", err)
		}
		stop()
		os.Exit(1)
	}
	fmt.Println(dir)
}

// errNotCached says that nothing has been fetched yet.
var errNotCached = errors.New("it is not in the cache")

// run returns the directory of initdb and postgres.
func run(ctx context.Context, onlyCached bool) (string, error) {
	r, err := releaseFor(platform())
	if err != nil {
		return "", err
	}
	c, err := newCache(os.Geteuid(), os.Getenv("XDG_CACHE_HOME"))
	if err != nil {
		return "", err
	}
	if dir, ok := c.find(r); ok {
		return dir, nil
	}
	if onlyCached {
		return "", errNotCached
	}
	from := r.url(repository(os.Getenv("OVERDRIVE_MAVEN")))
	fmt.Fprintf(os.Stderr, "fetching PostgreSQL %s into %s: %s\n", r.version, c.root, from)
	archive, err := download(ctx, from, r.sum)
	if err != nil {
		return "", err
	}
	return c.add(r, archive)
}
