package main

import (
	"context"
	"fmt"
	"time"

	"overdrive/scripts/serving"
)

const (
	ruleAge  = 5 * time.Second // of scores, by the rule in overdrive.yaml
	hintAge  = time.Second     // of the ticker, by its hint in queries.ts
	lateness = 4 * time.Second // for a machine that is busy: how much later than its age an answer may be seen to be gone
)

// ages writes around the proxy, which cannot know of that, and looks how long the old answers are served.
func (t *trial) ages(ctx context.Context) error {
	if err := t.around(ctx, "UPDATE scores SET home = 0 WHERE game = 2", "UPDATE standings SET points = 0 WHERE team = 'Meadow'"); err != nil {
		return err
	}
	if err := t.purge(ctx, "ALL"); err != nil {
		return err
	}
	// Ages count from when a question was sent.
	before := time.Now()
	if _, err := t.homeScored(ctx, "scores/2"); err != nil {
		return err
	}
	if _, err := t.homeScored(ctx, "ticker"); err != nil {
		return err
	}
	if _, err := t.points(ctx); err != nil {
		return err
	}
	after := time.Now()
	if err := t.around(ctx, "UPDATE scores SET home = 77 WHERE game = 2", "UPDATE standings SET points = 77 WHERE team = 'Meadow'"); err != nil {
		return err
	}
	for _, kind := range []struct {
		path string
		age  time.Duration
	}{{"ticker", hintAge}, {"scores/2", ruleAge}} {
		if err := t.isServedFor(ctx, kind.path, kind.age, before, after); err != nil {
			return err
		}
	}
	return t.purgedByTag(ctx)
}

// around writes straight at PostgreSQL.
func (t *trial) around(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := serving.Ask(ctx, t.direct, sql); err != nil {
			return err
		}
	}
	return nil
}

// homeScored returns the home score of game 2, out of one row or of all.
func (t *trial) homeScored(ctx context.Context, path string) (int, error) {
	var all []score
	if _, err := t.read(ctx, path, &all); err != nil {
		return 0, err
	}
	for _, s := range all {
		if s.Game == 2 {
			return s.Home, nil
		}
	}
	return 0, fmt.Errorf("%s: game 2 is not in %v", path, all)
}

// isServedFor waits until the new score is seen, and compares the age that the old one had then. It was asked for between before and
// after.
func (t *trial) isServedFor(ctx context.Context, path string, age time.Duration, before, after time.Time) error {
	err := await(ctx, func() (bool, error) {
		home, err := t.homeScored(ctx, path)
		return home == 77, err
	})
	if err != nil {
		return fmt.Errorf("%s is never read anew: %w", path, err)
	}
	if oldest := time.Since(before); oldest < age {
		return fmt.Errorf("%s is read anew after %v, want %v", path, oldest, age)
	}
	if youngest := time.Since(after); youngest > age+lateness {
		return fmt.Errorf("%s is read anew after %v, want %v", path, youngest, age)
	}
	return nil
}

// purgedByTag is called when the standings are older than the rule's age: by their hint they are kept for much longer.
func (t *trial) purgedByTag(ctx context.Context) error {
	points, err := t.points(ctx)
	if err != nil {
		return err
	}
	if points["Meadow"] != 0 {
		return fmt.Errorf("the standings are read anew before their age, with %d", points["Meadow"])
	}
	if err := t.purge(ctx, "TAG standings"); err != nil {
		return err
	}
	if points, err = t.points(ctx); err != nil {
		return err
	}
	if points["Meadow"] != 77 {
		return fmt.Errorf("the standings are read as of before PURGE TAG, with %d", points["Meadow"])
	}
	return nil
}
