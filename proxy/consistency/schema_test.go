package consistency_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The sizes of what the checker reads and writes.
const (
	accounts     = 6
	items        = 8
	watcheds     = 3
	families     = 4
	parts        = 4
	shelves      = 3
	heapRows     = 20
	totalBalance = 100 * accounts
	clerk        = "consistency_clerk" // a role that may sometimes read the table item
)

// consistencySchema makes every table such that what it shows tells which write made it.
//
//	account   a transfer leaves the sum of all balances as it is
//	item      is written in every way there is
//	watched   a trigger writes it on to audit
//	parent    its children follow it by a foreign key, ON UPDATE and ON DELETE
//	part      a partitioned table, whose rows move
//	box       content is there as long as its box
//	heap      is truncated and filled again
//	journal   is appended to by COPY
//	base      shows what heir has for as long as that inherits
//	faced     a view that is replaced by one that shows another constant
//	shaped    has a column that tells its version
var consistencySchema = fmt.Sprintf(`
create table account(id int primary key, version bigint not null default 1, balance int not null default 100);
insert into account select i from generate_series(0, %d - 1) i;
create table item(id int primary key, version bigint not null default 1);
insert into item select i from generate_series(0, %d - 1) i;
create function write_item(int, bigint) returns bigint language sql as
	'update item set version = $2 where id = $1 and version < $2 returning version';
create procedure set_item(int, bigint) language plpgsql as
	'begin update item set version = $2 where id = $1 and version < $2; end';
create table watched(id int primary key, version bigint not null default 1);
create table audit(id int primary key, version bigint not null default 1);
insert into watched select i from generate_series(0, %d - 1) i;
insert into audit select id from watched;
create function audits() returns trigger language plpgsql as
	'begin update audit set version = new.version where id = new.id; return new; end';
create trigger audits after update on watched for each row execute function audits();
create table parent(id int primary key, version bigint not null default 1, unique (id, version));
create table child(id int primary key, version bigint not null default 1,
	foreign key (id, version) references parent(id, version) on update cascade on delete cascade);
insert into parent select i from generate_series(0, %d - 1) i;
insert into child select id from parent;
create table part(id int, half int, version bigint not null default 1) partition by list (half);
create table part_left partition of part for values in (0);
create table part_right partition of part for values in (1);
insert into part select i, i %% 2 from generate_series(0, %d - 1) i;
create table box(id int primary key);
create table content(id int primary key references box on delete cascade, version bigint not null default 1);
insert into box select i from generate_series(0, %d - 1) i;
insert into content select id from box;
create table heap as select 1::bigint as version from generate_series(1, %d);
create table journal as select 1::bigint as version;
create table base(version bigint);
create table heir(version bigint);
insert into heir values (1);
create view both_sides as select i.id, i.version as item, a.version as account from item i join account a using (id);
create view faced as select id, version as item, 1::bigint as face from item;
create table shaped as select 0 as v1;
do 'begin create role %[8]s login; exception when duplicate_object then end';
grant select on item to %[8]s;
`, accounts, items, watcheds, families, parts, shelves, heapRows, clerk)

// A world is a database with its history.
type world struct {
	*history
	families map[string][]*register // by the name under which a column shows their versions
}

func newWorld() *world {
	w := &world{history: newHistory(), families: map[string][]*register{}}
	for _, f := range []struct {
		name string
		n    int
	}{
		{"account", accounts}, {"item", items}, {"watched", watcheds}, {"family", families}, {"part", parts}, {"shelf", shelves},
		{"heap", 1}, {"journal", 1}, {"heir", 1}, {"link", 1}, {"face", 1}, {"shape", 1}, {"grant", 1},
	} {
		for i := range f.n {
			w.families[f.name] = append(w.families[f.name], w.add(fmt.Sprint(f.name, "/", i)))
		}
	}
	w.only("link").attempts[0].present = false
	return w
}

// only returns the register of a family that has but one.
func (w *world) only(family string) *register { return w.families[family][0] }

// read says what an answer shows: a column that is named like a family is the version of its register, whose number is in
// the column id of the same row, or 0. broken says what is wrong with it in itself.
func (w *world) read(q *query, id int, r *pgconn.Result) (all []sighting, broken string) {
	var balance, shape int64
	balances := false
	for _, row := range r.Rows {
		number := 0
		for i, f := range r.FieldDescriptions {
			if f.Name == "id" {
				number = int(decodeInt(row[i], f))
			}
		}
		for i, f := range r.FieldDescriptions {
			value := func() int64 { return decodeInt(row[i], f) }
			switch version, isShape := strings.CutPrefix(f.Name, "v"); {
			case f.Name == "balance":
				balances = true
				balance += value()
			case f.Name == "rows" && value() != heapRows:
				broken = fmt.Sprintf("heap has %d rows, want %d", value(), heapRows)
			case w.families[f.Name] != nil && row[i] == nil:
				broken = f.Name + " is null"
			case w.families[f.Name] != nil:
				reg := w.families[f.Name][number*min(1, len(w.families[f.Name])-1)]
				all = append(all, sighting{register: reg, version: value(), present: true})
			case isShape:
				n, _ := strconv.ParseInt(version, 10, 64)
				shape = max(shape, n)
			}
		}
	}
	switch {
	case shape > 0:
		all = append(all, sighting{register: w.only("shape"), version: shape})
	case balances && balance != totalBalance:
		broken = fmt.Sprintf("the balances add up to %d, want %d", balance, totalBalance)
	case q.presence != "" && len(r.Rows) == 0:
		all = append(all, sighting{register: w.families[q.presence][id]})
	case q.presence == "link":
		all = append(all, sighting{register: w.only("link"), present: true})
	case q.rows > 0 && len(r.Rows) != q.rows:
		broken = fmt.Sprintf("%d rows, want %d", len(r.Rows), q.rows)
	}
	return all, broken
}

// decodeInt reads an int4, an int8 or a text of either.
func decodeInt(b []byte, f pgconn.FieldDescription) int64 {
	switch {
	case f.Format == 0:
		n, _ := strconv.ParseInt(string(b), 10, 64)
		return n
	case len(b) == 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case len(b) == 8:
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// A query shows registers.
type query struct {
	sql      string // $1 is the number of a row
	ids      int    // how many numbers there are, 0: it has no parameter
	rows     int    // how many it must show, 0: any number
	presence string // the family of which no row at all is a state, too
	ofNow    bool   // it may see past the snapshot of its transaction, as what depends on the catalog does
	// simple tells that it is not prepared under a name: its columns change; or PostgreSQL itself may keep a plan with a child that
	// has left meanwhile, if it planned while the child was leaving.
	simple bool
}

var consistencyQueries = []query{
	{sql: "select id, version as item from item where id = $1::int", ids: items, rows: 1},
	{sql: "select version as item, id from item order by id", rows: items},
	// Slow enough for writes to come between, and for others to ask the same meanwhile.
	{sql: "select id, version as item from item, (select count(*) as n from generate_series(1, 20000)) as slow where n > 0", rows: items},
	{sql: "select id, version as account from account where id = $1::int", ids: accounts, rows: 1},
	{sql: "select id, version as account, balance from account order by id", rows: accounts},
	{sql: "select sum(balance) as balance from (select balance from account) as a", rows: 1},
	{sql: "select id, version as watched from watched where id = $1::int", ids: watcheds, rows: 1},
	{sql: "select id, version as watched from audit where id = $1::int", ids: watcheds, rows: 1},
	{sql: "select w.id, w.version as watched, a.version as watched from watched w join audit a using (id)", rows: watcheds},
	{sql: "select id, version as family from child where id = $1::int", ids: families, rows: 1},
	{sql: "select p.id, p.version as family, c.version as family from parent p join child c on c.id = p.id", rows: families},
	{sql: "select id, version as part from part where id = $1::int", ids: parts, rows: 1},
	{sql: "select id, version as part from part order by id", rows: parts},
	{sql: "select id, version as part from only part_left"},
	{sql: "select id, version as part from part_right where id = $1::int", ids: parts},
	{sql: "select id, version as shelf from content where id = $1::int", ids: shelves, rows: 1, presence: "shelf"},
	{sql: "select version as heap from heap", rows: heapRows, ofNow: true},
	{sql: "select count(*) as rows, min(version) as heap, max(version) as heap from heap", rows: 1, ofNow: true},
	{sql: "select max(version) as journal from journal", rows: 1},
	{sql: "select version as heir from base", rows: 1, presence: "link", ofNow: true, simple: true},
	{sql: "select version as heir from heir", rows: 1},
	{sql: "select id, item, account from both_sides where id = $1::int", ids: accounts, rows: 1},
	{sql: "select * from both_sides order by id", rows: accounts},
	{sql: "select id, item, face from faced where id = $1::int", ids: items, rows: 1, ofNow: true},
	{sql: "select * from shaped", rows: 1, ofNow: true, simple: true},
	// Not cacheable, so that they mix with what is.
	{sql: "select id, version as item, now() as moment from item where id = $1::int", ids: items, rows: 1},
	{sql: "select id, version as account, random() as chance from account order by id", rows: accounts},
}

// clerksQuery is the one that needs a right that comes and goes.
var clerksQuery = &consistencyQueries[0]

// inline writes the parameters of a statement into its text.
func inline(sql string, params []string) string {
	for i, p := range params {
		sql = strings.ReplaceAll(sql, fmt.Sprint("$", i+1), p)
	}
	return sql
}
