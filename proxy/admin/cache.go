package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"overdrive/proxy"
)

// This file holds the commands about the cache.

var (
	cacheColumns = columnsOf("database", "mode", "#entries", "#bytes", "#floor", "#hits", "#stale", "#coalesced", "#misses",
		"%hit_ratio", "%would_hit_ratio", "#refreshes", "#evictions", "#invalidations", "#races_lost", "#oversize", "#dry_entries")
	queryColumns = columnsOf("database", "fingerprint", "#calls", "#hits", "%hit_ratio", "%would_hit_ratio", "#time_saved_us",
		"#avg_miss_us", "#entries", "#bytes", "status", "reason", "query")
	explainColumns = columnsOf("item", "value")
	purgeColumns   = columnsOf("database", "purged")
)

type explainOperands struct {
	sql    string
	verify bool
}

type purgeOperands = proxy.Purge

// readDatabase reads [DATABASE | IN name].
func readDatabase(w *words, st *statement) error {
	if !w.accept("database", "in") {
		return nil
	}
	name, ok := w.name()
	if !ok {
		return st.command.misread(w)
	}
	st.database = name
	return nil
}

func readExplain(w *words, st *statement) (err error) {
	st.explain.verify = w.accept("verify")
	if err := readDatabase(w, st); err != nil {
		return err
	}
	sql, ok := w.literal()
	if !ok {
		return st.command.misread(w)
	}
	st.explain.sql = sql
	if st.database == "" {
		return readDatabase(w, st)
	}
	return nil
}

func readPurgeTable(w *words, st *statement) error {
	name, ok := w.name()
	if ok && w.punct(".") {
		st.purge.Schema = name
		name, ok = w.name()
	}
	if !ok {
		return st.command.misread(w)
	}
	st.purge.Table = name
	return readDatabase(w, st)
}

func readPurgeTag(w *words, st *statement) error {
	tag, ok := w.literal()
	if !ok {
		tag, ok = w.name()
	}
	if !ok || tag == "" {
		return st.command.misread(w)
	}
	st.purge.Tag = tag
	return readDatabase(w, st)
}

func readPurgeQuery(w *words, st *statement) error {
	typed := w.digits()
	n, err := strconv.ParseUint(typed, 16, 64)
	if err != nil || n == 0 {
		return fail(codeSyntax, "%q is no fingerprint: SHOW QUERIES prints them", typed)
	}
	st.purge.Query = n
	return readDatabase(w, st)
}

func readPurgeAll(w *words, st *statement) error {
	st.purge.All = true
	return readDatabase(w, st)
}

// target is the database that a command acts on: the one it names, or the only one there is for the caller.
func (c *conn) target(st *statement) (string, error) {
	if st.database != "" {
		if !c.caller.acts(st.database) {
			return "", fail(codePrivilege, "permission denied for database %q", st.database)
		}
		return st.database, nil
	}
	choice := c.caller.databases
	if c.caller.admin {
		choice = c.console.proxy.DatabaseNames()
	}
	switch len(choice) {
	case 0:
		return "", fail(codePrivilege, "permission denied")
	case 1:
		return choice[0], nil
	}
	return "", fail(codeInvalidParameter, "there are several databases: end the command with DATABASE and one of %s",
		strings.Join(choice, ", "))
}

// seen are the databases that a command shows: the one it names, or all that are there for the caller.
func (c *conn) seen(st *statement) ([]string, error) {
	if st.database == "" {
		return slices.DeleteFunc(c.console.proxy.DatabaseNames(), func(d string) bool { return !c.caller.sees(d) }), nil
	}
	if !c.caller.sees(st.database) {
		return nil, fail(codePrivilege, "permission denied for database %q", st.database)
	}
	if !slices.Contains(c.console.proxy.DatabaseNames(), st.database) {
		return nil, fail(codeNoDatabase, "database %q does not exist", st.database)
	}
	return []string{st.database}, nil
}

func (c *conn) showCache(st *statement) ([][]any, error) {
	names, err := c.seen(st)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, s := range c.console.proxy.Caches() {
		if !slices.Contains(names, s.Database) {
			continue
		}
		asked := s.Hits + s.Misses
		rows = append(rows, []any{s.Database, modeOf(&s), s.Entries, s.Bytes, s.Floor, s.Hits, s.Stale, s.Coalesced, s.Misses,
			ratio(s.Hits, asked), wouldHit(s.DryRun, s.WouldHit, asked), s.Refreshes, s.Evictions, s.Invalidations, s.RacesLost,
			s.Oversize, s.DryEntries})
	}
	return rows, nil
}

func modeOf(s *proxy.CacheStatus) string {
	switch {
	case !s.Enabled:
		return "off"
	case s.DryRun:
		return "dry run"
	}
	return "on"
}

// wouldHit is NULL where nothing was tried dry, so that nobody takes it for a forecast.
func wouldHit(dry bool, n, asked int64) any {
	if !dry && n == 0 {
		return nil
	}
	return ratio(n, asked)
}

func (c *conn) showQueries(st *statement) ([][]any, error) {
	names, err := c.seen(st)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, name := range names {
		list := c.console.proxy.Queries(name)
		slices.SortFunc(list, func(a, b proxy.QueryStatus) int {
			return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Fingerprint, b.Fingerprint))
		})
		for _, q := range list {
			if q.Calls == 0 { // it was explained, and never asked
				continue
			}
			rows = append(rows, []any{name, fingerprint(q.Fingerprint), q.Calls, q.Hits, ratio(q.Hits, q.Calls),
				wouldHit(false, q.WouldHit, q.Calls), q.Hits * q.MeanMiss.Microseconds(), q.MeanMiss.Microseconds(),
				q.Entries, q.Bytes, q.Status, q.Reason, q.Shape})
		}
	}
	return rows, nil
}

// fingerprint writes a fingerprint as rules and PURGE QUERY read it.
func fingerprint(n uint64) string { return fmt.Sprintf("%016x", n) }

func (c *conn) purge(st *statement) ([][]any, error) {
	database, err := c.target(st)
	if err != nil {
		return nil, err
	}
	purged, err := c.console.proxy.Purge(c.ctx, database, st.purge)
	if err != nil {
		return nil, err
	}
	c.console.log.Info("purge", "user", c.caller.user, "db", database, "purged", strings.Join(purged, ", "))
	var rows [][]any
	for _, what := range purged {
		rows = append(rows, []any{database, what})
	}
	return rows, nil
}

// explainLimit bounds what the server may take to tell its catalog or its opinion.
const explainLimit = 30 * time.Second

func (c *conn) explain(st *statement) ([][]any, error) {
	database, err := c.target(st)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(c.ctx, explainLimit)
	defer stop()
	e, err := c.console.proxy.Explain(ctx, database, c.caller.user, st.explain.sql, st.explain.verify)
	if err != nil {
		return nil, err
	}
	var t itemList
	t.verdict(&e)
	t.lifetime(&e)
	t.key(&e)
	t.history(e.Query)
	t.oracle(e.Oracle)
	return t, nil
}

// itemList is the answer to EXPLAIN CACHE.
type itemList [][]any

func (t *itemList) add(item, value string) { *t = append(*t, []any{item, value}) }

// some adds an item that has a value.
func (t *itemList) some(item string, values ...string) {
	if value := strings.Join(values, ", "); value != "" {
		t.add(item, value)
	}
}

func (t *itemList) verdict(e *proxy.Explanation) {
	t.add("status", e.Status)
	t.some("reason", e.Reason)
	if e.DryRun {
		t.add("dry run", "yes: no answer is kept")
	}
	t.add("database", e.Database)
	t.add("server user", e.User)
	t.some("reads", e.Tables...)
	t.some("writes", e.Writes...)
	if e.Query != nil && e.Query.Fingerprint != 0 {
		t.add("fingerprint", fingerprint(e.Query.Fingerprint))
	}
}

func (t *itemList) lifetime(e *proxy.Explanation) {
	if e.Rule > 0 {
		t.add("rule", fmt.Sprintf("%d: %s", e.Rule, e.RuleText))
	}
	t.add("max_age", e.MaxAge.String())
	t.add("stale_while_revalidate", e.StaleWhileRevalidate.String())
	t.some("tags", e.Tags...)
	t.some("ignored in the hint", e.Ignored...)
}

func (t *itemList) key(e *proxy.Explanation) {
	for _, s := range e.Settings {
		t.add("in the key: "+s.Name, s.Value)
	}
	for _, name := range e.Needs {
		t.add("in the key: "+name, "each client's own")
	}
}

func (t *itemList) history(q *proxy.QueryStatus) {
	if q == nil {
		return
	}
	t.add("calls", strconv.FormatInt(q.Calls, 10))
	t.add("hits", strconv.FormatInt(q.Hits, 10))
	t.add("entries", strconv.FormatInt(q.Entries, 10))
	if q.Entries > 0 {
		t.add("age", q.Youngest.Round(time.Millisecond).String())
	}
}

func (t *itemList) oracle(o *proxy.OracleAnswer) {
	if o == nil {
		return
	}
	agrees := "no"
	if o.Agrees {
		agrees = "yes"
	}
	t.add("the server's tree agrees", agrees)
	t.add("the server's tree says", o.Status)
	t.some("the server's tree because", o.Reason)
	t.some("the server's tree reads", o.Reads...)
}
