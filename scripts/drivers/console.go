package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/scripts/serving"
)

type row = serving.Row

// connect logs in at the proxy: at a database of it, or at its console.
func (s *stage) connect(ctx context.Context, p *serving.Proxy, database string) (*pgconn.PgConn, error) {
	return pgconn.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s sslmode=verify-full sslrootcert=%s/ca.crt",
		host, p.Port, user, password, database, s.dir))
}

// warm waits until the proxy knows the catalog and caches.
func (s *stage) warm(ctx context.Context, p *serving.Proxy) error {
	conn, err := s.connect(ctx, p, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for end := time.Now().Add(serving.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := serving.Ask(ctx, conn, "SELECT id FROM warm"); err != nil {
			return err
		}
		rows, err := serving.Ask(ctx, conn, "SHOW overdrive.status")
		if err != nil {
			return err
		}
		if rows[0]["overdrive.status"] == "hit" {
			return nil
		}
	}
	return fmt.Errorf("the proxy caches nothing: %s", p.Said())
}

// A look is what the console says when a driver's clients have done their work and are still connected.
type look struct {
	clients  int            // connections of the driver
	pinned   map[string]int // how many are pinned, by the reason
	timeouts int            // waits for a server that were given up
	maxWait  time.Duration  // the longest wait that goes on
	queries  []row          // SHOW QUERIES
	cache    row            // SHOW CACHE
}

func takeLook(ctx context.Context, console *pgconn.PgConn) (look, error) {
	l, err := takePins(ctx, console)
	if err != nil {
		return l, err
	}
	stats, err := serving.Ask(ctx, console, "SHOW STATS")
	if err != nil {
		return l, err
	}
	for _, s := range stats {
		l.timeouts += s.Number("total_wait_timeout_count")
	}
	pools, err := serving.Ask(ctx, console, "SHOW POOLS")
	if err != nil {
		return l, err
	}
	for _, p := range pools {
		l.maxWait = max(l.maxWait, time.Duration(p.Number("maxwait")*1e6+p.Number("maxwait_us"))*time.Microsecond)
	}
	cache, err := serving.Ask(ctx, console, "SHOW CACHE")
	if err != nil {
		return l, err
	}
	l.cache = cache[0]
	l.queries, err = serving.Ask(ctx, console, "SHOW QUERIES")
	return l, err
}

func takePins(ctx context.Context, console *pgconn.PgConn) (look, error) {
	clients, err := serving.Ask(ctx, console, "SHOW CLIENTS")
	l := look{clients: len(clients), pinned: make(map[string]int)}
	for _, c := range clients {
		if c["pinned"] != "" {
			l.pinned[c["pinned"]]++
		}
	}
	return l, err
}

// readsBooks matches the statements whose repeated answers are to be hits.
var readsBooks = regexp.MustCompile(`(?i)\bfrom\s+("?public"?\s*\.\s*)?"?books\b`)

// A tally is how often books were read, and how many of the answers were hits.
type tally struct{ calls, hits int }

func (t tally) ratio() float64 { return float64(t.hits) / float64(max(t.calls, 1)) }

// reads counts the reads of books.
func (l *look) reads() (t tally) {
	for _, q := range l.queries {
		if readsBooks.MatchString(q["query"]) {
			t.calls += q.Number("calls")
			t.hits += q.Number("hits")
		}
	}
	return t
}

// notHits returns the rows of SHOW QUERIES that say why something was not a hit or what may have pinned: those that are not
// cacheable, and the reads of books.
func (l *look) notHits() []row {
	return slices.DeleteFunc(slices.Clone(l.queries), func(q row) bool {
		return q["status"] == "cacheable" && !readsBooks.MatchString(q["query"])
	})
}
