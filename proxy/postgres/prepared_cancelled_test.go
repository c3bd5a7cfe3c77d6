package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// lockedView is a view, since an error about its table has no place in the text.
const lockedView = "create table base(a int); create view locked as select a from base"

// cancellations are what a client says, speech by speech, while somebody has the table locked, so that the server cancels what needs
// it. Others have prepared some of the texts on the same server.
var cancellations = map[string][][][]byte{
	"a Prepare is cancelled": {
		{proxytest.Parse("s", "select a from locked"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Parse("s", "select 2"), proxytest.Describe('S', "s"), proxytest.Sync()},
	},
	"a Parse is cancelled that nobody else has sent": {
		{proxytest.Parse("s", "select a + 1 from locked"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Describe('S', "s"), proxytest.Sync()},
	},
	"a Parse with its Bind is cancelled": {
		{proxytest.Parse("s", "select a from locked"), proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
	},
	"a Bind fails over its parameters": {
		{proxytest.Parse("s", "select $1::int"), proxytest.Bind("", "s", [][]byte{[]byte("x")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
		{proxytest.Bind("", "s", [][]byte{[]byte("5")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
	},
	"a Bind fails over its portal": {
		{proxytest.Query("begin")},
		{proxytest.Parse("t", "select 4"), proxytest.Bind("p", "t", nil, nil, nil), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Bind("p", "s", nil, nil, nil), proxytest.Sync()},
		{proxytest.Query("rollback")},
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
	},
	"behind a Parse that went well": {
		{proxytest.Parse("t", "select 2"), proxytest.Parse("s", "select a from locked"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Parse("t", "select 3"), proxytest.Sync()},
		{proxytest.Parse("s", "select 3"), proxytest.Sync()},
	},
	"in front of a Parse": {
		{proxytest.Parse("s", "select a from locked"), proxytest.Describe('S', "s"), proxytest.Parse("t", "select 4"), proxytest.Sync()},
		{proxytest.Parse("t", "select 4"), proxytest.Sync()},
	},
	"in front of a Parse with its Describe": {
		{proxytest.Query("begin")},
		{proxytest.Query("select a from locked")},
		{proxytest.Parse("s", "select 1"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Query("rollback")},
		{proxytest.Parse("s", "select 1"), proxytest.Describe('S', "s"), proxytest.Sync()},
	},
	"in front of a Parse that the proxy answers": {
		{proxytest.Parse("s", "select a from locked"), proxytest.Describe('S', "s"), proxytest.Parse("t", "show overdrive.status"), proxytest.Sync()},
		{proxytest.Parse("t", "select 4"), proxytest.Sync()},
	},
	"in front of a Close": {
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
		{proxytest.Parse("t", "select a from locked"), proxytest.Describe('S', "t"), proxytest.CloseName('S', "s"), proxytest.Sync()},
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
	},
	"a PREPARE is cancelled": {
		{proxytest.Query("prepare s as select a from locked")},
		{proxytest.Query("prepare s as select 1")},
		{proxytest.Query("deallocate s")},
	},
	"ROLLBACK does not undo a Parse": {
		{proxytest.Query("begin")},
		{proxytest.Parse("s", "select 5"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Query("select a from locked")},
		{proxytest.Query("rollback")},
		{proxytest.Parse("s", "select 5"), proxytest.Describe('S', "s"), proxytest.Sync()},
		{proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
	},
	"DEALLOCATE ALL in a batch": {
		{proxytest.Parse("d", "deallocate all"), proxytest.Bind("", "d", nil, nil, nil), proxytest.Execute("", 0),
			proxytest.Parse("s", "select 6"), proxytest.Sync()},
		{proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
		{proxytest.Parse("t", "select 6"), proxytest.Bind("", "t", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
	},
	"a name that is taken, in a transaction": {
		{proxytest.Query("begin")},
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
		{proxytest.Parse("s", "select 2"), proxytest.Sync()},
		{proxytest.CloseName('S', "s"), proxytest.Sync()},
		{proxytest.Describe('S', "s"), proxytest.Sync()},
	},
	"a Close of what SQL has prepared": {
		{proxytest.Query("prepare s as select 1")},
		{proxytest.CloseName('S', "s"), proxytest.Sync()},
		{proxytest.Query("prepare s as select 2")},
	},
	"a large Parse and its Close": {
		{proxytest.Parse("s", "select 1"+strings.Repeat(" ", 300<<10)), proxytest.Sync()},
		{proxytest.CloseName('S', "s"), proxytest.Sync()},
		{proxytest.Parse("s", "select 2"+strings.Repeat(" ", 300<<10)), proxytest.Sync()},
	},
	"a large Parse of a name that is taken": {
		{proxytest.Parse("s", "select 1"), proxytest.Sync()},
		{proxytest.Parse("s", "select 2"+strings.Repeat(" ", 300<<10)), proxytest.Bind("", "s", nil, nil, nil), proxytest.Sync()},
		{proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()},
	},
}

// After a Parse that was cancelled, or that stood in a batch that failed, the client's names are what they are with PostgreSQL.
func TestPrepared_NamesAreAsWithPostgresWhateverIsCancelled(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "names_cancelled", lockedView)
	locker := b.Pg.Dial(b.Database)
	for name, speeches := range cancellations {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			prepareEverywhere(t, b, "select a from locked", "select 1", "select 4", "select $1::int")
			rig.WantNoError(t, rig.Converse(t, locker, proxytest.Query("begin; lock table base")))
			defer rig.Converse(t, locker, proxytest.Query("rollback"))
			w := b.Wires(t)
			w.Same(t, proxytest.Query("set lock_timeout = '50ms'"))
			for _, speech := range speeches {
				w.Same(t, speech...)
			}
		})
	}
}

// prepareEverywhere has other clients prepare texts on all servers of the pool.
func prepareEverywhere(t *testing.T, b *rig.PairBench, texts ...string) {
	t.Helper()
	others := make([]*proxytest.Wire, 4)
	for i := range others {
		others[i] = b.Dial(t, proxytest.Login{User: "postgres", Database: b.Database})
		said := [][]byte{proxytest.Query("begin")}
		for n, text := range texts {
			said = append(said, proxytest.Parse(fmt.Sprint("s", n), text))
		}
		rig.WantNoError(t, rig.Converse(t, others[i], append(said, proxytest.Sync())...))
	}
	for _, other := range others {
		rig.WantNoError(t, rig.Converse(t, other, proxytest.Query("rollback")))
	}
}

// A Prepare of what another client has prepared, when the table has gone since, fails as a whole.
func TestPrepared_ATableThatIsGoneLeavesTheNameFree(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "names_gone", "create table gone(a int)")
	other, w := b.Connect(t, b.Database), b.Wires(t)
	prepareEverywhere(t, b, "select a from gone")
	prepare := [][]byte{proxytest.Parse("s", "select a from gone"), proxytest.Describe('S', "s"), proxytest.Sync()}
	rig.Ask(t, other, "drop table gone")
	w.Same(t, prepare...)
	rig.Ask(t, other, "create table gone(a int)")
	w.Same(t, prepare...)
}

func TestPrepared_ADescribeThatIsCancelledLeavesTheName(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "names_described", lockedView)
	locker, w := b.Pg.Dial(b.Database), b.Wires(t)
	w.Same(t, proxytest.Query("set lock_timeout = '50ms'"))
	w.Same(t, proxytest.Parse("s", "select a from locked"), proxytest.Sync())
	rig.WantNoError(t, rig.Converse(t, locker, proxytest.Query("begin; lock table base")))
	w.Same(t, proxytest.Describe('S', "s"), proxytest.Parse("t", "select 1"), proxytest.Sync())
	w.Same(t, proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	w.Same(t, proxytest.Parse("s", "select a from locked"), proxytest.Sync())
	w.Same(t, proxytest.Parse("t", "select 1"), proxytest.Sync())
	rig.WantNoError(t, rig.Converse(t, locker, proxytest.Query("rollback")))
	w.Same(t, proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
}

// DISCARD ALL drops the statements before it drops the temporary tables, where it may have to wait for a lock.
func TestPrepared_DiscardAllThatIsCancelledHasDroppedThem(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "names_discarded", "")
	prepareEverywhere(t, b, "select 1")
	w := b.Wires(t)
	w.Same(t, proxytest.Query("create temp table tmp(a int)"))
	w.Same(t, proxytest.Parse("s", "select 1"), proxytest.Sync())
	rig.WantNoError(t, rig.Converse(t, b.Pg.Dial(b.Database), proxytest.Query(`begin; do $$declare r record; begin
		for r in select oid::regclass as t from pg_class where relname = 'tmp' loop execute 'lock table ' || r.t; end loop; end$$`)))
	w.Same(t, proxytest.Query("set statement_timeout = '1s'"))
	w.Same(t, proxytest.Query("discard all"))
	w.Same(t, proxytest.Parse("s", "select 1"), proxytest.Describe('S', "s"), proxytest.Sync())
}
