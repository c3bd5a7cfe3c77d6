package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"overdrive/scripts/serving"
)

// A trial is the Worker by one driver.
type trial struct {
	*stage
	driver string
}

type score struct{ Game, Home, Away int }

type standing struct {
	Team   string
	Points int
}

// checks are what docs/worker.md promises, in its words.
var checks = []struct {
	promise string
	holds   func(*trial, context.Context) error
}{
	{"a repeated read is a hit", (*trial).repeatedReads},
	{"the next read sees the Worker's own write", (*trial).ownWrites},
	{"a transaction is done whole or not at all", (*trial).transactions},
	{"a rule and a hint have their ages, and a tag is purged", (*trial).ages},
	{"eight requests at once share two server connections", (*trial).crowd},
	{"the report tells of hits", (*trial).report},
	{"nobody is pinned at the end, or gave up waiting", (*trial).leftovers},
}

// tryAll prints a line for each check and driver, and returns how many failed.
func (s *stage) tryAll(ctx context.Context) (failed int) {
	for _, driver := range drivers {
		for _, c := range checks {
			if ctx.Err() != nil {
				return failed
			}
			verdict := "holds"
			if err := c.holds(&trial{s, driver}, ctx); err != nil {
				failed++
				verdict = "FAILS: " + err.Error()
			}
			fmt.Fprintf(os.Stdout, "%-8s  %s: %s\n", driver, c.promise, verdict)
		}
	}
	if failed > 0 {
		progress("wrangler dev said:\n%s", s.worker.said())
	}
	fmt.Fprintf(os.Stdout, "\n%d passed, %d failed\n\n", len(drivers)*len(checks)-failed, failed)
	return failed
}

// path adds the driver, and asks for a report.
func (t *trial) path(path string) string { return path + "?report&driver=" + t.driver }

// read gets a value.
func (t *trial) read(ctx context.Context, path string, value any) (answer, error) {
	a, err := t.worker.get(ctx, t.path(path))
	if err != nil {
		return a, err
	}
	return a, a.into(value)
}

// purge drops answers by the console: "ALL", or what else PURGE takes.
func (t *trial) purge(ctx context.Context, what string) error {
	_, err := serving.Ask(ctx, t.console, "PURGE "+what)
	return err
}

func (t *trial) repeatedReads(ctx context.Context) error {
	for _, path := range []string{"games/1", "standings"} {
		if err := t.purge(ctx, "ALL"); err != nil {
			return err
		}
		first, err := t.worker.get(ctx, t.path(path))
		if err != nil {
			return err
		}
		if first.code != http.StatusOK || first.status != "miss" {
			return fmt.Errorf("%s: the first read after PURGE ALL is %s", path, first.verdict())
		}
		for range 5 {
			again, err := t.worker.get(ctx, t.path(path))
			if err != nil {
				return err
			}
			if again.status != "hit" || again.body != first.body {
				return fmt.Errorf("%s: a repeated read is %s, and says %s; the first said %s", path, again.verdict(), again.body, first.body)
			}
		}
	}
	return nil
}

func (t *trial) ownWrites(ctx context.Context) error {
	for i := range 20 {
		want := score{Game: 1, Home: i + 1, Away: i}
		var all []score
		if _, err := t.read(ctx, "ticker", &all); err != nil { // to be made invalid
			return err
		}
		written, err := t.worker.post(ctx, t.path("scores/1"), map[string]int{"home": want.Home, "away": want.Away})
		if err != nil {
			return err
		}
		var same, next []score
		if err := written.into(&same); err != nil {
			return err
		}
		for path, into := range map[string]*[]score{"scores/1": &next, "ticker": &all} {
			if _, err := t.read(ctx, path, into); err != nil {
				return err
			}
		}
		for where, got := range map[string][]score{"the same request": same, "the next one": next, "another statement": all} {
			if len(got) == 0 || got[0] != want {
				return fmt.Errorf("written was %v, and %s reads %v", want, where, got)
			}
		}
	}
	return nil
}

func (t *trial) transactions(ctx context.Context) error {
	before, err := t.points(ctx)
	if err != nil {
		return err
	}
	// Nobody, the guest of game 3, has no place in the standings: the points of the host, written first, must be gone.
	refused, err := t.worker.post(ctx, t.path("results/3"), nil)
	if err != nil {
		return err
	}
	if refused.code != http.StatusConflict {
		return fmt.Errorf("a transaction that must fail is answered %d: %s", refused.code, refused.body)
	}
	if err := t.wantPoints(ctx, before); err != nil {
		return fmt.Errorf("rolled back: %w", err)
	}
	// The last score of game 1 is a victory of its host.
	won, err := t.worker.post(ctx, t.path("results/1"), nil)
	if err != nil {
		return err
	}
	if won.code != http.StatusOK {
		return fmt.Errorf("a transaction is answered %d: %s", won.code, won.body)
	}
	before["Harbour"] += 3
	if err := t.wantPoints(ctx, before); err != nil {
		return fmt.Errorf("committed: %w", err)
	}
	return nil
}

// points reads the standings through the Worker.
func (t *trial) points(ctx context.Context) (map[string]int, error) {
	var all []standing
	if _, err := t.read(ctx, "standings", &all); err != nil {
		return nil, err
	}
	points := make(map[string]int)
	for _, s := range all {
		points[s.Team] = s.Points
	}
	return points, nil
}

// wantPoints compares the standings, as the Worker and as PostgreSQL itself has them.
func (t *trial) wantPoints(ctx context.Context, want map[string]int) error {
	got, err := t.points(ctx)
	if err != nil {
		return err
	}
	rows, err := serving.Ask(ctx, t.direct, "SELECT team, points FROM standings")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if team := r["team"]; r.Number("points") != want[team] || got[team] != want[team] {
			return fmt.Errorf("%s has %s points, and the Worker reads %d, want %d", team, r["points"], got[team], want[team])
		}
	}
	return nil
}

// report asks again while something is no hit: some kinds are kept for a second.
func (t *trial) report(ctx context.Context) error {
	var last string
	err := await(ctx, func() (bool, error) {
		var kinds map[string]struct{ Status, Reason string }
		a, err := t.worker.get(ctx, t.path("report"))
		if err != nil {
			return false, err
		}
		if err := a.into(&kinds); err != nil {
			return false, err
		}
		last = a.body
		hits := 0
		for _, k := range kinds {
			if k.Status == "hit" {
				hits++
			}
		}
		return hits == 4, nil
	})
	if err != nil {
		return fmt.Errorf("%w, and the report says %s", err, last)
	}
	return nil
}

// leftovers waits until the Worker's connections are closed.
func (t *trial) leftovers(ctx context.Context) error {
	var left []string
	err := await(ctx, func() (bool, error) {
		clients, err := serving.Ask(ctx, t.console, "SHOW CLIENTS")
		left = nil
		for _, c := range clients {
			if c["database"] == database {
				left = append(left, strings.TrimSuffix(c["state"]+" pinned: "+c["pinned"], " pinned: "))
			}
		}
		return len(left) == 0, err
	})
	if err != nil {
		return fmt.Errorf("%w, and clients are left: %s", err, strings.Join(slices.Compact(left), "; "))
	}
	stats, err := serving.Ask(ctx, t.console, "SHOW STATS")
	if err != nil {
		return err
	}
	for _, s := range stats {
		if s.Number("total_wait_timeout_count") > 0 {
			return fmt.Errorf("%s waits for a server were given up", s["total_wait_timeout_count"])
		}
	}
	return nil
}
