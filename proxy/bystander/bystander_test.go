package bystander_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

var (
	update = flag.Bool("update", false, "write what is measured into testdata/statements.txt and docs/caching.md, as what holds now")
	before = flag.Bool("before", false, "the same, as what held before")
)

// What became of the bystander's answer. Behind it stands +pin where the sender was pinned.
const (
	hit     = "hit"     // it was there right after
	look    = "look"    // it was there again after a look at the catalog
	miss    = "miss"    // it was gone
	catalog = "catalog" // it was gone, and nothing was served until the catalog was read anew
	later   = "later"   // it was there, and goes as soon as somebody looks at the catalog
)

const (
	database = "bystander"
	answer   = "select a from unrelated"
)

// readBack are the reads that depend on something that a statement of the list may change.
var readBack = []string{
	"select * from account order by id", "select * from doc order by id", "select * from random_doc order by id", "select * from token order by id",
	"select id, v, updated_at is null from seen order by id", "select id, v, updated_at is null from modded order by id", "select id, body from article order by id",
	"select count(*) from audit", "select * from audited order by id", "select * from author order by id", "select * from post order by id",
	"select * from loud order by id", "select * from guarded order by id", "select * from hidden order by id", "select * from parent order by id",
	"select * from child order by id", "select * from owner order by id", "select * from pet order by id", "select * from parted order by id",
	"select * from parted2 order by id", "select * from summary order by n", "select * from names order by id",
}

// bench is a sender's and a bystander's proxy.
type bench struct {
	*rig.Instance
	bystander, real *pgconn.PgConn
	looker          *pgconn.PgConn // looks at the catalog as a keeper does
	pg              *proxytest.Postgres
	database        string
	answer          string // what the bystander asks for
}

func TestBystander_KeepsItsAnswerBehindWhatDoesNotConcernIt(t *testing.T) {
	tables, err := os.ReadFile("testdata/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	proxytest.ChangesCluster(t) // for the role of tables.sql
	pg := rig.NewDatabase(t, database, "")
	b := &bench{real: rig.Direct(t, pg, database), pg: pg, database: database}
	for _, name := range []string{"uuid-ossp", "pgcrypto", "moddatetime"} {
		if rig.Ask(t, b.real, "select 1 from pg_available_extensions where name = '"+name+"'") == "" {
			t.Skipf("the server has no extension %s", name)
		}
	}
	rig.Ask(t, b.real, string(tables))
	b.Instance = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: database, Size: 4, Caching: true})
	b.bystander = b.Connect(t, database)
	l := readList(t)
	answers, slowest := l.answers(), map[string]time.Duration{}
	for i := range l.statements {
		if testing.Short() && i%8 != 0 {
			continue
		}
		s := &l.statements[i]
		b.answer = answers[s.kind]
		if strings.HasPrefix(s.kind, ownNames) {
			b.warm(t, s.sql)
		}
		got, took := b.measure(t, s.sql)
		slowest[got] = max(slowest[got], took)
		if *before {
			s.before = got
		}
		if !*update && !*before && strings.HasPrefix(s.now, hit) && got != s.now { // how long others wait is a matter of time
			t.Errorf("%s: %q, want %q", s.sql, got, s.now)
		}
		s.now = got
	}
	t.Logf("%d statements; until the bystander was served again, at most: %v", len(l.statements), slowest)
	if *update || *before {
		l.write(t)
	}
}

// measure sends a statement and tells what became of the bystander's answer, and how long it was not served.
func (b *bench) measure(t *testing.T, sql string) (word string, took time.Duration) {
	t.Helper()
	for _, read := range append(slices.Clone(readBack), b.answer) {
		rig.Await(t, read+" to be kept", func() bool { rig.Ask(t, b.bystander, read); return rig.Status(t, b.bystander) == hit })
	}
	before := b.look(t, nil)
	sender := b.Connect(t, database)
	say(t, sender, sql)
	word, took = b.outcome(t)
	if word == hit && b.concerns(t, b.look(t, before).DifferenceFrom(before)) {
		word = later
		rig.Await(t, "a look at the catalog", func() bool { rig.Ask(t, b.bystander, b.answer); return rig.Status(t, b.bystander) != hit })
	}
	if rig.Ask(t, sender, "show overdrive.pinned") != "" {
		word += "+pin"
	}
	rig.CloseConn(sender)
	for _, read := range readBack {
		if got, want := rig.Ask(t, b.bystander, read), rig.Ask(t, b.real, read); got != want {
			t.Errorf("STALE behind %s: %s is %q (%s), want %q", sql, read, got, rig.Status(t, b.bystander), want)
		}
	}
	return word, took
}

// say sends messages as they stand in the list.
func say(t *testing.T, sender *pgconn.PgConn, sql string) {
	t.Helper()
	for step := range strings.SplitSeq(sql, " ;; ") {
		if extended, ok := strings.CutPrefix(step, "x: "); ok {
			text, bound, _ := strings.Cut(extended, " <- ")
			var values []string
			if bound != "" {
				values = strings.Split(bound, " | ")
			}
			_, _ = rig.AskExtended(t.Context(), sender, 0, text, values...)
		} else {
			_, _ = rig.Try(t.Context(), sender, step)
		}
	}
}

// ownNames begins the kinds whose transactions have a search_path or a role of their own, of which the catalog is read when they are first used.
const ownNames = "Transactions with names of their own"

// warm sends a statement of such a kind until it costs the bystander nothing, or for a while.
func (b *bench) warm(t *testing.T, sql string) {
	t.Helper()
	sender := b.Connect(t, database)
	defer rig.CloseConn(sender)
	for begun := time.Now(); time.Since(begun) < 5*time.Second; {
		rig.Await(t, b.answer+" to be kept", func() bool { rig.Ask(t, b.bystander, b.answer); return rig.Status(t, b.bystander) == hit })
		say(t, sender, sql)
		rig.Ask(t, b.bystander, b.answer)
		if rig.Status(t, b.bystander) == hit {
			return
		}
	}
}

// look reads the catalog as a keeper does.
func (b *bench) look(t *testing.T, before *classify.Inventory) *classify.Inventory {
	t.Helper()
	if b.looker == nil {
		b.looker = rig.Direct(t, b.pg, b.database)
		rig.Ask(t, b.looker, classify.SessionSettings)
	}
	ask := func(sql string) (rows [][]string, err error) {
		r := b.looker.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
		for _, row := range r.Rows {
			var texts []string
			for _, value := range row {
				texts = append(texts, string(value))
			}
			rows = append(rows, texts)
		}
		return rows, r.Err
	}
	rig.Ask(t, b.looker, "begin isolation level repeatable read read only")
	defer rig.Ask(t, b.looker, "rollback")
	signs, err := classify.AskSigns(ask, nil)
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := classify.LoadInventory(ask, before, signs)
	if err != nil {
		t.Fatal(err)
	}
	return inventory
}

// concerns reports whether the bystander's answer goes because of a difference.
func (b *bench) concerns(t *testing.T, d classify.Difference) bool {
	named := func(name string) bool { return strings.Contains(b.answer, name) }
	return d.Everything || slices.ContainsFunc(d.Names, named) || slices.ContainsFunc(d.Relations, func(id verdict.RelationID) bool {
		return strings.Contains(b.answer, rig.Ask(t, b.real, fmt.Sprintf("select coalesce((select relname from pg_class where oid = %d), '?')", id)))
	})
}

func (b *bench) outcome(t *testing.T) (word string, took time.Duration) {
	t.Helper()
	began := time.Now()
	ask := func() string { rig.Ask(t, b.bystander, b.answer); return rig.Status(t, b.bystander) }
	switch first := ask(); first {
	case hit, miss:
		return first, 0
	}
	last := ""
	rig.Await(t, "the bystander to be served", func() bool { last = ask(); return last == hit || last == miss })
	if took = time.Since(began); last == hit {
		return look, took
	}
	return catalog, took
}

// list is testdata/statements.txt.
type list struct {
	kinds      []string
	statements []entry
}

// entry is a statement: its messages, with " ;; " between them, and before each of the extended protocol "x: ". Values that are bound stand behind
// " <- ", with " | " between them.
type entry struct{ kind, before, now, sql string }

// answers returns what the bystander asks for each kind: what stands behind a bar, or what no statement concerns.
func (l *list) answers() map[string]string {
	all := map[string]string{}
	for _, kind := range l.kinds {
		if _, read, ok := strings.Cut(kind, " | "); ok {
			all[kind] = read
		} else {
			all[kind] = answer
		}
	}
	return all
}

const listName, pageName = "testdata/statements.txt", "../../docs/caching.md"

func readList(t *testing.T) *list {
	t.Helper()
	text, err := os.ReadFile(listName)
	if err != nil {
		t.Fatal(err)
	}
	l := &list{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if kind, ok := strings.CutPrefix(line, "# "); ok {
			l.kinds = append(l.kinds, kind)
			continue
		}
		words := strings.SplitN(line, " ", 3)
		if len(words) != 3 || len(l.kinds) == 0 {
			t.Fatalf("%s: %q", listName, line)
		}
		l.statements = append(l.statements, entry{l.kinds[len(l.kinds)-1], words[0], words[1], words[2]})
	}
	if len(l.statements) < 200 {
		t.Errorf("only %d statements", len(l.statements))
	}
	return l
}

func (l *list) write(t *testing.T) {
	t.Helper()
	var text strings.Builder
	kind := ""
	for _, s := range l.statements {
		if s.kind != kind {
			kind = s.kind
			fmt.Fprintf(&text, "# %s\n", kind)
		}
		fmt.Fprintf(&text, "%s %s %s\n", s.before, s.now, s.sql)
	}
	if err := os.WriteFile(listName, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(pageName)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), tableHead)
	if !ok {
		t.Fatalf("%s has no table of what costs others their answers", pageName)
	}
	_, tail, _ := strings.Cut(rest, "\n\n")
	if err := os.WriteFile(pageName, []byte(head+l.table()+"\n"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

const tableHead = "| kind | statements | kept before | kept now | pinned before | pinned now |\n"

// table counts the statements behind which the bystander has its answer still, by kind.
func (l *list) table() string {
	var text strings.Builder
	text.WriteString(tableHead + "|---|--:|--:|--:|--:|--:|\n")
	row := func(kind, mark string) {
		var n, keptBefore, keptNow, pinnedBefore, pinnedNow int
		for _, s := range l.statements {
			if kind != "" && s.kind != kind {
				continue
			}
			n++
			keptBefore += kept(s.before)
			keptNow += kept(s.now)
			pinnedBefore += strings.Count(s.before, "+pin")
			pinnedNow += strings.Count(s.now, "+pin")
		}
		if kind == "" {
			kind = "all"
		}
		kind, _, _ = strings.Cut(kind, " | ")
		fmt.Fprintf(&text, "| %s%s%s | %d | %d | %d | %d | %d |\n", mark, kind, mark, n, keptBefore, keptNow, pinnedBefore, pinnedNow)
	}
	for _, kind := range l.kinds {
		row(kind, "")
	}
	row("", "**")
	return text.String()
}

func kept(word string) int {
	word, _, _ = strings.Cut(word, "+")
	if slices.Contains([]string{hit, look}, word) {
		return 1
	}
	return 0
}

func TestBystander_ThePageHasTheTable(t *testing.T) {
	page, err := os.ReadFile(pageName)
	if err != nil {
		t.Fatal(err)
	}
	if want := readList(t).table(); !strings.Contains(string(page), "\n"+want+"\n") {
		t.Errorf("%s has not the table that %s comes to: go test ./proxy/bystander -update writes it\n%s", pageName, listName, want)
	}
}
