package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// This file is `overdrive stats --watch`: what a server does now, as rates between two looks at its counters.

// A look is what the console says at one moment. Tables that the user may not see are empty.
type look struct {
	at                            time.Time
	stats, pools, caches, queries *table
}

// takeLook asks the console.
func takeLook(ctx context.Context, c *console, database string) (*look, error) {
	l := &look{}
	for _, q := range []struct {
		command string
		into    **table
	}{
		{"SHOW STATS", &l.stats}, {"SHOW POOLS", &l.pools}, {"SHOW CACHE" + onDatabase(database), &l.caches}, {"SHOW QUERIES" + onDatabase(database), &l.queries},
	} {
		t, err := c.ask(ctx, q.command)
		switch {
		case err == nil:
			*q.into = t
		case strings.HasPrefix(err.Error(), "permission denied: "): // the command is for others
			*q.into = &table{}
		default:
			return nil, err
		}
	}
	l.at = time.Now()
	return l, nil
}

// A screen shows one text after the other: in place on a terminal, else one below the other.
type screen struct {
	out      io.Writer
	terminal bool
}

// Sequences of a terminal: a screen of its own without cursor, on which long lines are cut; and all that undone.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	toLineEnd   = "\x1b[K"
	toScreenEnd = "\x1b[J"
)

func (s *screen) open() {
	if s.terminal {
		fmt.Fprint(s.out, enterScreen)
	}
}

// close leaves the terminal as it was.
func (s *screen) close() {
	if s.terminal {
		fmt.Fprint(s.out, leaveScreen)
	}
}

func (s *screen) show(text string) error {
	if s.terminal {
		text = home + strings.ReplaceAll(text, "\n", toLineEnd+"\n") + toScreenEnd
	} else {
		text += "\n"
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// showLive shows what the server does, once a second until ctx ends.
func showLive(ctx context.Context, c *console, s *screen, database string) error {
	s.open()
	defer s.close()
	var before *look
	return watch(ctx, func() error {
		now, err := takeLook(ctx, c, database)
		if err != nil {
			return err
		}
		text := live(before, now, database)
		before = now
		return s.show(text)
	})
}

const (
	shownPools   = 12
	shownQueries = 12
	shownText    = 120
	unknown      = "-"
)

// live writes one look, with rates since the one before, which may be nil.
func live(before, now *look, database string) string {
	if before == nil {
		before = &look{at: now.at, stats: &table{}, pools: &table{}, caches: &table{}, queries: &table{}}
	}
	r := &rates{before: before, now: now, seconds: now.at.Sub(before.at).Seconds(), database: database}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", now.at.Format(time.DateTime))
	r.databases(&b)
	r.pools(&b)
	r.queries(&b)
	return b.String()
}

// rates compares two looks.
type rates struct {
	before, now *look
	seconds     float64 // between them; 0: there was none before
	database    string  // that is asked about; empty: all
}

// grown is by how much a counter has grown, and false if that is not known.
func (r *rates) grown(before, now *table, key []string, row [][]byte, column string) (float64, bool) {
	n, known := now.number(row, column)
	was, there := before.number(before.find(now, row, key), column)
	if !known || !there || r.seconds <= 0 {
		return 0, false
	}
	if n < was { // it has begun anew
		was = 0
	}
	return n - was, true
}

func (r *rates) perSecond(n float64, known bool) string {
	if !known {
		return unknown
	}
	return figure(n / r.seconds)
}

func (r *rates) shows(t *table, row [][]byte) bool {
	return r.database == "" || t.text(row, "database") == r.database
}

func (r *rates) databases(w io.Writer) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "database\tstatements/s\thit ratio\ttime each\twaits/s\tanswers kept\tbytes")
	key := []string{"database"}
	for _, row := range r.now.caches.rows {
		caches := r.now.caches
		hits, knownHits := r.grown(r.before.caches, caches, key, row, "hits")
		misses, _ := r.grown(r.before.caches, caches, key, row, "misses")
		calls, known := r.callsOf(caches.text(row, "database"))
		each, waits := unknown, unknown
		if of := r.now.stats.find(caches, row, key); of != nil {
			n, counted := r.grown(r.before.stats, r.now.stats, key, of, "total_query_count")
			if counted { // all of them, and not only those that the cache has looked at
				calls, known = n, true
			}
			if took, timed := r.grown(r.before.stats, r.now.stats, key, of, "total_query_time"); timed && n > 0 {
				each = duration(took / n)
			}
			waits = r.perSecond(r.grown(r.before.stats, r.now.stats, key, of, "total_wait_count"))
		}
		ratio := unknown
		if knownHits && hits+misses > 0 {
			ratio = percentage(hits, hits+misses)
		}
		fmt.Fprintln(out, strings.Join([]string{
			shorten(caches.text(row, "database")), r.perSecond(calls, known), ratio, each, waits, caches.text(row, "entries"), caches.text(row, "bytes"),
		}, "\t"))
	}
	out.Flush()
	fmt.Fprintln(w)
}

// callsOf is how many statements of a database the cache has looked at.
func (r *rates) callsOf(database string) (sum float64, known bool) {
	for _, row := range r.now.queries.rows {
		if r.now.queries.text(row, "database") == database {
			n, _ := r.called(row, "calls")
			sum += n
		}
	}
	return sum, r.seconds > 0
}

// called is by how much a counter of a shape has grown. A shape that was not there has grown from nothing.
func (r *rates) called(row [][]byte, column string) (float64, bool) {
	key := []string{"database", "fingerprint"}
	if r.seconds > 0 && r.before.queries.find(r.now.queries, row, key) == nil {
		return r.now.queries.number(row, column)
	}
	return r.grown(r.before.queries, r.now.queries, key, row, column)
}

func (r *rates) pools(w io.Writer) {
	t := r.now.pools
	rows := slices.DeleteFunc(slices.Clone(t.rows), func(row [][]byte) bool { return !r.shows(t, row) })
	if len(rows) == 0 {
		return
	}
	columns := []string{"cl_waiting", "sv_active", "cl_active"}
	slices.SortStableFunc(rows, func(a, b [][]byte) int {
		for _, column := range columns {
			x, _ := t.number(a, column)
			y, _ := t.number(b, column)
			if x != y {
				return cmp.Compare(y, x)
			}
		}
		return 0
	})
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "pool\tuser\tclients\twaiting\tlongest wait\tin use\tidle\tpinned")
	for _, row := range rows[:min(len(rows), shownPools)] {
		seconds, _ := t.number(row, "maxwait")
		micros, _ := t.number(row, "maxwait_us")
		fmt.Fprintln(out, strings.Join([]string{
			shorten(t.text(row, "database")), shorten(t.text(row, "user")), t.text(row, "cl_active"), t.text(row, "cl_waiting"), duration(seconds*1e6 + micros),
			t.text(row, "sv_active"), t.text(row, "sv_idle"), t.text(row, "cl_pinned"),
		}, "\t"))
	}
	out.Flush()
	if left := len(rows) - shownPools; left > 0 {
		fmt.Fprintf(w, "and %d more\n", left)
	}
	fmt.Fprintln(w)
}

// queries writes the statements that took most of the server's time, as far as it is known, and then those that were asked most.
func (r *rates) queries(w io.Writer) {
	t := r.now.queries
	type shape struct {
		row          [][]byte
		calls, spent float64
		hits         float64
	}
	var list []shape
	for _, row := range t.rows {
		s := shape{row: row}
		s.calls, _ = r.called(row, "calls")
		s.hits, _ = r.called(row, "hits")
		miss, _ := t.number(row, "avg_miss_us")
		s.spent = max(s.calls-s.hits, 0) * miss
		if r.shows(t, row) && s.calls > 0 {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b shape) int { return cmp.Or(cmp.Compare(b.spent, a.spent), cmp.Compare(b.calls, a.calls)) })
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "calls/s\thit ratio\ta miss\tserver's time/s\tstatus\tstatement")
	for _, s := range list[:min(len(list), shownQueries)] {
		miss, _ := t.number(s.row, "avg_miss_us")
		text := []rune(shorten(t.text(s.row, "query")))
		fmt.Fprintln(out, strings.Join([]string{
			r.perSecond(s.calls, true), percentage(s.hits, s.calls), duration(miss), duration(s.spent / r.seconds), t.text(s.row, "status"),
			string(text[:min(len(text), shownText)]),
		}, "\t"))
	}
	out.Flush()
}

// find returns the row that has the same values in the columns of a key as a row of another table, or nil.
func (t *table) find(other *table, row [][]byte, key []string) [][]byte {
	for _, mine := range t.rows {
		if !slices.ContainsFunc(key, func(column string) bool { return t.text(mine, column) != other.text(row, column) }) {
			return mine
		}
	}
	return nil
}

// text is the value of a column, or "" if there is none.
func (t *table) text(row [][]byte, column string) string {
	i := slices.Index(t.columns, column)
	if i < 0 || i >= len(row) {
		return ""
	}
	return string(row[i])
}

// number is the value of a column, and whether it is a number.
func (t *table) number(row [][]byte, column string) (float64, bool) {
	n, err := strconv.ParseFloat(t.text(row, column), 64)
	return n, err == nil
}

func figure(n float64) string {
	if n >= 100 || n == float64(int64(n)) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

func percentage(part, whole float64) string { return fmt.Sprintf("%.1f %%", 100*part/whole) }

// duration writes microseconds.
func duration(micros float64) string {
	d := time.Duration(micros * float64(time.Microsecond))
	switch {
	case d <= 0:
		return unknown
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
