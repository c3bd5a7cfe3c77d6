package leaks_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// snapshot tells what a session has, apart from what every session has that has just begun.
const snapshot = "select " + has

const has = `current_user, session_user, (select concat_ws(' ', current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout'),
		current_setting('lock_timeout'), current_setting('role'))),
	coalesce(current_setting('app.tenant', true), ''),
	(select string_agg(mode, ' ' order by mode) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
	(select string_agg(relname, ' ' order by relname) from pg_class where relnamespace = pg_my_temp_schema() and relkind <> 'i'),
	(select string_agg(name, ' ' order by name) from pg_cursors where is_holdable),
	(select string_agg(c, ' ' order by c) from pg_listening_channels() c)`

// hasInAll tells of every parameter, too, and of what the random numbers are that come next.
const hasInAll = "select pg_backend_pid(), random(), " + has + `,
	(select string_agg(name, ' ' order by name) from pg_prepared_statements where from_sql),
	(select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name not like 'plpgsql.%')`

// around is what every database of the test has besides its places.
const around = `grant create on schema public to public; create schema evil; grant usage on schema evil to public;
	create sequence drawn; grant all on drawn to public; create table sink (a int); grant all on sink to public;
	create table pathed (w text); insert into pathed values ('public'); create table evil.pathed (w text); insert into evil.pathed values ('evil');
	create table docs (tenant text, body text); insert into docs values ('one', '1'), ('two', '2'); alter table docs enable row level security;
	create policy p on docs using (tenant = current_setting('app.tenant', true));
	grant select on pathed, evil.pathed, docs to public;`

// A group is the places that share a database, and the one state that they leave behind there: what is feared because of one place must
// not hide that another is not.
type group struct {
	name   string
	state  *state
	cells  []cell
	byCode bool
}

// A cell is a place as it leaves the state of its group behind.
type cell struct {
	place       *place
	create, run string
	number      int
}

// catalog is 1 for a cell whose statements change the catalog, after which it is loaded anew. Those come last.
func (c *cell) catalog() int {
	for _, word := range []string{"create", "alter", "refresh", "analyze"} {
		if strings.HasPrefix(c.run, word) {
			return 1
		}
	}
	return 0
}

// groups makes all cells.
func groups() []*group {
	var all []*group
	for i := range states {
		s := &states[i]
		direct, code, apart := &group{name: "by expression", state: s}, &group{name: "by code", state: s, byCode: true}, &group{name: "by type", state: s, byCode: true}
		for n := range places {
			p := &places[n]
			if p.run == "" {
				continue
			}
			g := code
			switch {
			case p.apart && s.minor:
				continue
			case p.apart:
				g = apart
			case s.expr != "" && !p.coded():
				g = direct
			}
			c := cellOf(p, s, n, g.byCode)
			c.number = n + i
			g.cells = append(g.cells, c)
		}
		for _, g := range []*group{direct, code, apart} {
			slices.SortStableFunc(g.cells, func(a, b cell) int { return cmp.Compare(a.catalog(), b.catalog()) })
			if len(g.cells) > 0 {
				all = append(all, g)
			}
		}
	}
	return all
}

var pure = regexp.MustCompile(`PURE\(([^()]*)\)`)

func cellOf(p *place, s *state, number int, byCode bool) cell {
	expr := s.expr
	if expr == "" {
		expr = "public.leaves()"
	}
	fill := func(text string) string {
		text = pure.ReplaceAllString(text, "public.leaves_purely($1)")
		return strings.NewReplacer("EXPR", expr, "CODE", s.statement(), "IT", fmt.Sprint("p", number), "iten", fmt.Sprint("p", number, "e")).Replace(text)
	}
	return cell{place: p, create: fill(p.create), run: fill(p.run)}
}

// script makes the objects of the group.
func (g *group) script() string {
	var b strings.Builder
	b.WriteString(around)
	if g.byCode {
		fmt.Fprintf(&b, "create function leaves() returns bool language plpgsql as $f$ begin %s; return true; end $f$;", g.state.statement())
		b.WriteString("create function leaves_purely(int) returns bool language plpgsql immutable as $f$ begin return public.leaves(); end $f$;")
	}
	for _, c := range g.cells {
		if c.create != "" {
			fmt.Fprintf(&b, "set role leak_client; %s; reset role;\n", c.create)
		}
	}
	b.WriteString("grant all on all tables in schema public to leak_client, leak_other")
	return b.String()
}

// reached are the places that have left something behind at the server itself, and what: a cell that leaves nothing proves nothing.
var reached = struct {
	sync.Mutex             // guards the maps
	groups, places, states map[string]bool
}{groups: map[string]bool{}, places: map[string]bool{}, states: map[string]bool{}}

func noteReached(g, place, state string) {
	reached.Lock()
	defer reached.Unlock()
	if g != "" {
		reached.groups[g] = true
	}
	if place != "" {
		reached.places[place], reached.states[state] = true, true
	}
}

var databases, numbers, moved, seen atomic.Int64

// atOnce is how many groups are tried at a time: they wait more than they work.
const atOnce = 5

// shortStep is which part of the groups is enough where only the race detector is to see them.
const shortStep = 8

func TestLeaks_NothingIsLeftAndNothingIsServed(t *testing.T) {
	proxytest.ChangesCluster(t)
	pg := proxytest.SharedPostgres(t)
	rig.MakeRoles(t, pg, "leak_client", "leak_other")
	pg.Exec("grant leak_other to leak_client")
	t.Run("all", func(t *testing.T) {
		var all sync.WaitGroup
		free := make(chan bool, atOnce)
		for i, g := range groups() {
			if testing.Short() && i%shortStep != 0 {
				continue
			}
			all.Go(func() {
				free <- true
				defer func() { <-free }()
				t.Run(g.state.name+" "+g.name, func(t *testing.T) {
					database := fmt.Sprint("leaks_", databases.Add(1))
					rig.NewDatabase(t, database, g.script())
					for _, caching := range []bool{false, true} {
						g.check(t, pg, database, caching)
					}
				})
			})
		}
		all.Wait()
	})
	t.Logf("%d looks at B, in %d of them it had another server than before", seen.Load(), moved.Load())
	reached.Lock()
	defer reached.Unlock()
	if len(reached.groups) < len(groups()) { // only some were to be run
		return
	}
	for _, p := range places {
		if p.run != "" && !reached.places[p.name] {
			t.Errorf("no state is left behind by way of: %s", p.name)
		}
	}
	for _, s := range states {
		if s.end != "" && !s.vanishes && !reached.states[s.name] {
			t.Errorf("no place leaves behind: %s", s.name)
		}
	}
}

// A bench is one proxy with one server connection, the client B that must see nothing, and a session at the server itself.
type bench struct {
	in       *rig.Instance
	database string
	other    *pgconn.PgConn
	real     *pgconn.PgConn
	fresh    string   // what B has as long as nothing leaks
	alone    string   // what a session has that has just begun, as bentBy tells
	server   string   // that B had last
	seeded   []string // the numbers that follow the seed
}

func (g *group) check(t *testing.T, pg *proxytest.Postgres, database string, caching bool) {
	b := &bench{database: database}
	size := 1
	if !caching { // then the catalog is only looked at where there is a slot to spare, or much traffic: the keeper has the second
		size = 2
	}
	b.in = rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: database, User: "leak_client", Size: size, Caching: caching})
	b.other = b.client(t)
	if caching {
		rig.Await(t, "the catalog", func() bool {
			rig.Ask(t, b.other, "select w from pathed")
			status := rig.Status(t, b.other)
			return status == "hit" || g.name == "by type" && status != "unsettled" // where nothing is kept
		})
	}
	config, err := pgconn.ParseConfig(pg.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	config.User = "leak_client"
	direct, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer rig.CloseConn(direct)
	b.real = direct
	b.fresh = strings.SplitN(rig.Ask(t, direct, hasInAll), ",", 3)[2]
	rig.Ask(t, direct, "discard all")
	b.alone = bentBy(t, direct, "")
	noteReached(g.state.name+g.name, "", "")
	b.seeded = strings.Split(rig.Ask(t, direct, "select setseed(0.42); select random() from generate_series(1, 100)"), ";")
	for i, form := range []string{"simple", "text"} {
		for _, c := range g.cells {
			if !g.state.turn(c.number, i, caching) {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s, caching %v", c.place.name, form, caching), func(t *testing.T) {
				b.cell(t, g.state, &c, form)
			})
		}
	}
}

func (b *bench) client(t *testing.T) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.ConnectConfig(t.Context(), &b.in.Config(t, b.database, rig.As("leak_client", "")).Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rig.CloseConn(c) })
	return c
}

// settling is how long a cell is tried again: while the catalog is not known, as behind DDL, only some of what the client itself has
// left behind is asked for. What B sees must be right each time. Where nothing is
// cached, the catalog is looked at through the only connection if that is leased out twenty times a second, so others make use of it
// meanwhile, but not all the time, for the look needs a processor, too; each time for twice as long: a statement that changes the
// catalog has it read anew, and to come again before that is done would never end.
const (
	settling    = 4 * time.Minute
	firstPause  = 250 * time.Millisecond
	pauseLeases = 20 * time.Millisecond // between two leases of a pause
)

// tired counts the cells for which that was not enough. Behind some, no other is tried again.
var tired atomic.Int64

// cell has clients reach the place until one finds what a session of its own has.
func (b *bench) cell(t *testing.T, s *state, c *cell, form string) {
	pause := firstPause
	for begun := time.Now(); ; pause *= 2 {
		wrong := b.attempt(t, s, c, form)
		if wrong == "" || t.Failed() {
			return
		}
		if time.Since(begun) > settling || tired.Load() > 5 {
			tired.Add(1)
			t.Error(wrong)
			return
		}
		for until := time.Now().Add(pause); time.Now().Before(until); time.Sleep(pauseLeases) {
			rig.Ask(t, b.other, "select 1")
		}
	}
}

// attempt has a client reach the place, and looks for what became of it. It returns what the client itself finds amiss.
func (b *bench) attempt(t *testing.T, s *state, c *cell, form string) (wrong string) {
	wantStates := b.reach(t, b.real, c, form)
	want := bentBy(t, b.real, "")
	if want != b.alone {
		noteReached("", c.place.name, s.name)
	}
	rig.Ask(t, b.real, "discard all")

	client := b.client(t)
	if got := b.reach(t, client, c, form); got != wantStates {
		t.Errorf("the statements end with %s, at the server itself with %s", got, wantStates)
	}
	pinned := rig.Ask(t, client, "show overdrive.pinned")
	mark := fmt.Sprint(numbers.Add(1))
	if pinned == "" {
		_, _ = rig.Try(t.Context(), client, "select body, '"+mark+"' from public.docs") // as whoever the state makes it
		_, _ = rig.Try(t.Context(), client, "select w, '"+mark+"' from pathed")
		b.untouched(t, mark)
	}
	if got := bentBy(t, client, mark); got != want && !s.vanishes && !(s.unshown && (c.create != "" || c.place.coded())) {
		wrong = fmt.Sprintf("the client, pinned by %q, finds\n%s, a session of its own has\n%s", pinned, got, want)
	}
	if pinned != "" && form == "simple" {
		unpin(t, s, client, pinned)
	}
	rig.CloseConn(client)
	if pinned != "" { // the server was reset for it, or is clean
		b.untouched(t, mark)
	}
	return wrong
}

// unpin has the client be rid of what it has left behind, and fails the test if it is pinned still.
func unpin(t *testing.T, s *state, client *pgconn.PgConn, pinned string) {
	t.Helper()
	end := s.end
	if end == "" || strings.Contains(pinned, "cannot follow") || strings.Contains(pinned, "not looked into") { // which nobody can know to be over
		end = "discard all"
	}
	rig.Ask(t, client, end)
	if got := rig.Ask(t, client, "show overdrive.pinned"); got != "" {
		t.Errorf("pinned by %s after %s", got, end)
		rig.CloseConn(client)
	}
}

// reach runs the statements and returns their SQLSTATEs.
func (b *bench) reach(t *testing.T, c *pgconn.PgConn, of *cell, form string) string {
	t.Helper()
	number := fmt.Sprint(100 + numbers.Add(1))
	var ended []string
	for line := range strings.SplitSeq(strings.ReplaceAll(of.run, "N", number), "\n") {
		var err error
		if strings.HasPrefix(line, "copy") && strings.Contains(line, "from stdin") {
			_, err = c.CopyFrom(t.Context(), strings.NewReader(number+"\n"), line)
		} else {
			_, err = rig.Askers[form](t, c, line)
		}
		if c.IsClosed() {
			t.Fatalf("%s: %v", line, err)
		}
		if ended = append(ended, rig.State(err)); err != nil && rig.State(err) != "22012" {
			t.Logf("%s: %v", line, err)
		}
	}
	return strings.Join(ended, ",")
}

// bentBy tells what the client itself has, and what it reads because of it.
func bentBy(t *testing.T, c *pgconn.PgConn, mark string) string {
	t.Helper()
	all := []string{rig.Ask(t, c, snapshot)}
	for _, sql := range []string{"select w from pathed where '" + mark + "' is not null", "select body from public.docs where '" + mark + "' is not null",
		"execute leak"} {
		got, err := rig.Try(t.Context(), c, sql)
		all = append(all, got+rig.State(err))
	}
	return strings.Join(all, " | ")
}

// untouched fails the test if B has, or reads, anything but what it would have alone.
func (b *bench) untouched(t *testing.T, mark string) {
	t.Helper()
	seen.Add(1)
	if got, want := rig.Ask(t, b.other, "select body, '"+mark+"' from public.docs"), ""; got != want {
		t.Errorf("the other client reads %s, want %s (%s)", got, want, rig.Status(t, b.other))
	}
	if got, want := rig.Ask(t, b.other, "select w, '"+mark+"' from pathed"), "public,"+mark; got != want {
		t.Errorf("the other client reads %s, want %s (%s)", got, want, rig.Status(t, b.other))
	}
	got := strings.SplitN(rig.Ask(t, b.other, hasInAll), ",", 3)
	if server := got[0]; b.server != server {
		moved.Add(1)
		b.server = server
	}
	if slices.Contains(b.seeded, got[1]) {
		t.Errorf("the other client's random() follows a seed that is not its own")
	}
	if got[2] != b.fresh {
		t.Errorf("the other client has\n%s, want\n%s", got[2], b.fresh)
	}
	if got, err := rig.Try(t.Context(), b.other, "select lastval()"); rig.State(err) != "55000" {
		t.Errorf("the other client is told %q of a sequence, %v", got, err)
	}
}

// Every column in which the server stores an expression is the place of a cell.
func TestLeaks_NoPlaceIsForgotten(t *testing.T) {
	c := rig.Direct(t, proxytest.SharedPostgres(t), "postgres")
	listed := make(map[string]bool)
	for _, p := range places {
		if p.stored != "" {
			listed[p.stored] = true
		}
	}
	for column := range strings.SplitSeq(rig.Ask(t, c, `select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
		where a.atttypid = 'pg_node_tree'::regtype and c.relkind = 'r' and c.relnamespace = 'pg_catalog'::regnamespace`), ";") {
		if !listed[column] {
			t.Errorf("no place is stored in %s", column)
		}
		delete(listed, column)
	}
	for column := range listed {
		t.Errorf("the server has no %s", column)
	}
}

// What pins a client may be ended by code, too, in words or by a view. Then it keeps no server any more.
func TestLeaks_WhoIsPinnedIsFreeWhenCodeHasEndedTheCause(t *testing.T) {
	t.Parallel()
	pg := rig.NewDatabase(t, "leaks_ended", `create function unlock() returns void language plpgsql as 'begin perform pg_advisory_unlock_all(); end';
		create view unlocking as select pg_advisory_unlock_all() is null as a;
		create procedure unlisten() language plpgsql as 'begin unlisten *; end'; 
		create procedure close() language plpgsql as $$ begin execute 'close leak'; end $$; create table t (a int)`)
	for _, caching := range []bool{false, true} {
		in := rig.Start(t, rig.Setup{Upstream: pg.Addr(), Database: "leaks_ended", Size: 1, Caching: caching})
		c := in.Connect(t, "leaks_ended")
		if caching {
			rig.Prime(t, c, "select a from t")
		}
		for _, p := range [][2]string{
			{"select pg_advisory_lock(7)", "select unlock()"}, {"select pg_advisory_lock(7)", "select * from unlocking"}, {"listen leak", "call unlisten()"},
			{"declare leak cursor with hold for select 1", "call close()"},
		} {
			for form, ask := range rig.Askers {
				rig.Ask(t, c, p[0])
				if rig.Ask(t, c, "show overdrive.pinned") == "" {
					t.Errorf("caching %v: not pinned behind %s", caching, p[0])
				}
				if _, err := ask(t, c, p[1]); err != nil {
					t.Error(err)
				}
				if got := rig.Ask(t, c, "show overdrive.pinned"); got != "" {
					t.Errorf("caching %v, %s: pinned by %s behind %s", caching, form, got, p[1])
					rig.Ask(t, c, "discard all")
				}
			}
		}
	}
}
