package checklist_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

func TestChecklist_P13_AnAnswerWithANoticeIsNotKept(t *testing.T) {
	t.Parallel()
	b, relay := startInjected(t, "checklist_p13", "create table t as select i as a from generate_series(1, 3) i")
	notKept(t, b, relay, proxytest.Message{Type: 'N', Body: []byte("SWARNING\x00VWARNING\x00C01000\x00Mbeware\x00\x00")}.Bytes())
	// Some queries that could be kept have notices of their own, each time.
	w := b.Wires(t)
	for range 4 {
		for _, messages := range [][][]byte{{proxytest.Query("select a, to_tsquery('english', 'the') from t")}, {rig.QueryUnit("select a, to_tsquery('english', 'the') from t"), proxytest.Sync()}} {
			if got := w.Same(t, messages...); strings.Count(rig.TypesOf(got), "N") == 0 {
				t.Errorf("got %v (%s), want a notice", got, w.Status(t))
			}
		}
	}
	// Who does not want to hear them has an answer without them. It is none for those who do.
	for setting, sql := range map[string]string{"error": "select a, to_tsquery('the') from t", "debug5": "select a, 'chatty' from t"} {
		for form, ask := range map[string][][]byte{"simple": {proxytest.Query(sql)}, "extended": {rig.QueryUnit(sql), proxytest.Sync()}} {
			one, other := b.Dial(t, proxytest.Login{User: "postgres", Database: b.Database}), b.Wires(t)
			if _, err := one.Ask(proxytest.Query("set client_min_messages = " + setting)); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				got, err := one.Ask(ask...)
				if heard := strings.Contains(rig.TypesOf(got), "N"); heard == (setting == "error") || err != nil {
					t.Errorf("%s, %s: got %v, %v", setting, form, rig.TypesOf(got), err)
				}
				other.Same(t, ask...)
			}
		}
	}
}

func TestChecklist_P14_AnAnswerWithAChangedParameterIsNotKept(t *testing.T) {
	t.Parallel()
	b, relay := startInjected(t, "checklist_p14", "create table t as select i as a from generate_series(1, 3) i")
	notKept(t, b, relay, proxytest.ParameterStatus("in_hot_standby", "on"))
}

func TestChecklist_P15_AnAnswerWithANotificationIsNotKept(t *testing.T) {
	t.Parallel()
	b, relay := startInjected(t, "checklist_p15", "create table t as select i as a from generate_series(1, 3) i")
	notKept(t, b, relay, proxytest.Message{Type: 'A', Body: append(binary.BigEndian.AppendUint32(nil, 4711), "news\x00payload\x00"...)}.Bytes())
	// Who listens is told, while the others have their hits.
	listener, w := b.Wires(t), b.Wires(t)
	listener.Same(t, proxytest.Query("listen news"))
	w.Hits(t, proxytest.Query("select a from t"))
	for range 2 {
		if _, err := w.Through.Ask(proxytest.Query("notify news, 'mine'")); err != nil {
			t.Fatal(err)
		}
		w.HitsAtOnce(t, proxytest.Query("select a from t"))
		if m, err := listener.Through.Receive(); m.Type != 'A' || err != nil {
			t.Errorf("the listener got %v, %v", m, err)
		}
	}
}

// A lockQueue is clients who ask the same while a lock keeps it from being answered.
type lockQueue struct {
	*rig.PairBench
	holder, fencer *pgconn.PgConn
	clients        []*proxytest.Wire
}

const lockedQuery = "select a from t where a > 0"

// queue has n clients ask for a row of a locked table, one after the other. The proxy has one loop, so that it is certain when
// it has taken up their questions.
func queue(t *testing.T, b *rig.PairBench, n int) *lockQueue {
	t.Helper()
	q := &lockQueue{b, rig.Direct(t, b.Pg, b.Database), b.Connect(t, b.Database), nil}
	rig.Ask(t, b.Connect(t, b.Database), "update t set a = a + 1") // what is kept of it is void
	p := b.Pair(t)
	rig.Await(t, "the table to be settled", func() bool {
		p.Do(t, "select count(*) from t")
		return rig.Status(t, p.Through) != "unsettled"
	})
	rig.Ask(t, q.holder, "begin; lock table t")
	for i := range n {
		w := b.Dial(t, proxytest.Login{User: "postgres", Database: b.Database})
		q.clients = append(q.clients, w)
		if err := w.Send(proxytest.Query(lockedQuery)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			rig.AwaitQuery(t, b.Pg, lockedQuery)
		}
	}
	q.fence(t)
	return q
}

func (q *lockQueue) fence(t *testing.T) {
	t.Helper()
	for range 2 {
		rig.Ask(t, q.fencer, "show overdrive.cache")
	}
}

// answered unlocks the table and fails the test unless each of the clients gets the row.
func (q *lockQueue) answered(t *testing.T, clients ...*proxytest.Wire) {
	t.Helper()
	want := rig.Ask(t, q.holder, lockedQuery)
	rig.Ask(t, q.holder, "commit")
	for i, w := range clients {
		got, err := w.ReceiveReady(1)
		if rig.TypesOf(got) != "TDCZ" || string(got[1].Body[6:]) != want || err != nil {
			t.Errorf("client %d got %v, %v, want %s", i, got, err, want)
		}
	}
	p := q.Pair(t)
	p.Right(t, lockedQuery)
	p.Hits(t, lockedQuery)
}

func TestChecklist_P16_ACancelRequestEndsOnlyTheWaitOfItsClient(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p16", "create table t as select 1 as a", oneLoop)
	for cancelled := range 3 { // of whom the first is the one whose question the server has
		q := queue(t, b, 3)
		rig.SendCancel(t, b.Instance, rig.KeyOf(q.clients[cancelled].Startup))
		got, err := q.clients[cancelled].ReceiveReady(1)
		if rig.TypesOf(got) != "EZ" || rig.Fields(got[0])['C'] != "57014" || err != nil {
			t.Errorf("client %d was cancelled and got %v, %v, want 57014", cancelled, got, err)
		}
		others := slices.Delete(slices.Clone(q.clients), cancelled, cancelled+1)
		q.answered(t, others...)
		if word := rig.WireStatus(t, others[1]); word != "coalesced" {
			t.Errorf("the last client is %s, want coalesced: it did not wait for another's answer, so this proves nothing", word)
		}
		// It may ask again, as if nothing had been.
		got, err = q.clients[cancelled].Ask(proxytest.Query(lockedQuery))
		if rig.TypesOf(got) != "TDCZ" || err != nil {
			t.Errorf("client %d got %v, %v after it was cancelled", cancelled, got, err)
		}
	}
}

func TestChecklist_P17_WhoLeavesPoisonsNobodysWait(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p17", "create table t as select 1 as a", oneLoop)
	for how, leave := range map[string]func(w *proxytest.Wire){
		"reset":     func(w *proxytest.Wire) { _ = w.Conn().(*net.TCPConn).SetLinger(0); w.Conn().Close() },
		"closed":    func(w *proxytest.Wire) { w.Conn().Close() },
		"goodbye":   func(w *proxytest.Wire) { w.Close() },
		"half gone": func(w *proxytest.Wire) { _ = w.Conn().(*net.TCPConn).CloseWrite() },
	} {
		for gone := range 2 {
			q := queue(t, b, 3)
			leave(q.clients[gone])
			q.fence(t)
			q.answered(t, slices.Delete(slices.Clone(q.clients), gone, gone+1)...)
			if t.Failed() {
				t.Fatalf("client %d left: %s", gone, how)
			}
		}
	}
}

func TestChecklist_P18_HalfAnAnswerIsNotKept(t *testing.T) {
	t.Parallel()
	b, relay := startInjected(t, "checklist_p18", "create table t as select i as a from generate_series(1, 3) i")
	for form, messages := range map[string][][]byte{
		"simple": {proxytest.Query("select a, 'simple' from t")}, "extended": {rig.QueryUnit("select a, 'extended' from t"), proxytest.Sync()},
	} {
		victim := b.Dial(t, proxytest.Login{User: "postgres", Database: "checklist_p18"})
		relay.interfere("'"+form+"'", nil)
		got, err := victim.Ask(messages...)
		if types := rig.TypesOf(got); strings.Contains(types, "C") || err == nil && !strings.Contains(types, "E") {
			t.Errorf("%s: the server was lost behind the first row, and the client got %v, %v", form, got, err)
		}
		next := b.Wires(t)
		next.Same(t, messages...)
		if word := next.Status(t); word != "miss" {
			t.Errorf("%s: the next client's status is %s, want miss", form, word)
		}
		next.Hits(t, messages...)
	}
}

func TestChecklist_P19_ATooLargeAnswerIsPassedOnInSmallPartsAndNotKept(t *testing.T) {
	t.Parallel()
	const limit, rows, width = 64 << 10, 40000, 1000
	b := rig.StartPairs(t, "checklist_p19", "create table t as select 1 as a", func(o *rig.Options) { o.Databases[0].Cache.MaxResult = limit })
	w := b.Dial(t, proxytest.Login{User: "postgres", Database: "checklist_p19"})
	large := fmt.Sprintf("select i, repeat('x', %d) from generate_series(1, %d) i", width, rows)
	for _, messages := range [][][]byte{{proxytest.Query(large)}, {proxytest.Query(large)}, {rig.QueryUnit(large), proxytest.Sync()}} {
		before := b.Cache.Stats().Bytes
		if err := w.Send(messages...); err != nil {
			t.Fatal(err)
		}
		// While the client does not read, the proxy does not either, until the server can write no more.
		watch := rig.Direct(t, b.Pg, "postgres")
		rig.Await(t, "the server to wait for its client", func() bool {
			return rig.Ask(t, watch, "select count(*) from pg_stat_activity where datname = 'checklist_p19' and wait_event = 'ClientWrite'") == "1"
		})
		if got := b.Cache.UsedBytes() - before; got > 8*limit {
			t.Errorf("the cache holds %d bytes of an answer that it cannot keep", got)
		}
		got, err := w.ReceiveReady(1)
		if n := strings.Count(rig.TypesOf(got), "D"); n != rows || err != nil {
			t.Errorf("got %d rows, %v, want %d", n, err, rows)
		}
		if word := rig.WireStatus(t, w); word == "hit" {
			t.Errorf("a result over the limit is a hit")
		}
	}
	p := b.Pair(t)
	for _, n := range []int{limit / 2, limit - 1000} {
		p.Hits(t, fmt.Sprintf("select repeat('x', %d)", n))
	}
	for range 3 {
		for _, n := range []int{limit, limit + 1, 3 * limit} {
			p.Do(t, fmt.Sprintf("select repeat('x', %d)", n))
			if word := rig.Status(t, p.Through); word == "hit" {
				t.Errorf("a row of %d bytes is a hit under a limit of %d", n, limit)
			}
		}
	}
}

func TestChecklist_P20_NoRowsAreAnAnswerThatWritesMakeVoid(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p20", "create table t(a int); create table u(a int)")
	p, w, writer := b.Pair(t), b.Wires(t), b.Connect(t, "checklist_p20")
	queries := []string{"select a from t", "select a from t where a = 5", "select t.a from t join u on t.a = u.a", "select a from t where exists (select from u)", "select count(*) from t having count(*) > 0", "select a from t except select a from u"}
	for _, write := range []string{"insert into t values (5)", "insert into u values (5)", "delete from u", "delete from t", "insert into t values (7)", "truncate t"} {
		p.Hits(t, queries...)
		p.HitsAtOnce(t, queries...)
		rig.Ask(t, writer, write)
		p.Right(t, queries...)
		for _, sql := range queries {
			w.Hits(t, proxytest.Query(sql))
			w.Hits(t, rig.QueryUnit(sql), proxytest.Sync())
		}
	}
}

func TestChecklist_P21_RowsOfEveryShapeAreKeptWhole(t *testing.T) {
	t.Parallel()
	var columns []string
	for i := range 1600 {
		columns = append(columns, fmt.Sprintf("c%d bool", i))
	}
	b := rig.StartPairs(t, "checklist_p21", "create table wide("+strings.Join(columns, ", ")+"); insert into wide default values; insert into wide(c0, c1599) values (true, false); create table t as select i as a from generate_series(1, 3) i; create table none()")
	w := b.Wires(t)
	sameAnswers(t, w, textQuestions("select * from wide", "select from t", "select from none", "select from wide", "select null", "select null::text, '', null::int", "select a, null from t", "select repeat('x', 3000000) from t"))
	for range 2 {
		for _, messages := range [][][]byte{{proxytest.Query("select repeat('x', 1 << 30)")}, {rig.QueryUnit("select repeat('x', 1 << 30)"), proxytest.Sync()}, {proxytest.Query("select array_fill(1, array[1 << 28])")}, {proxytest.Query("select *, 1 from wide, wide x")}} {
			if got := w.Same(t, messages...); !strings.HasSuffix(rig.TypesOf(got), "EZ") {
				t.Errorf("a value that is too large is answered with %.300v", got)
			}
			if word := w.Status(t); word == "hit" {
				t.Error("an error is a hit")
			}
		}
	}
}

func TestChecklist_P22_AnEmptyQueryIsAnsweredAsEmpty(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p22", "create table t as select 1 as a")
	w := b.Wires(t)
	for range 3 {
		for _, sql := range []string{";", "", " ", "-- nothing", "/* ; */", ";;", " ; -- nothing\n ;"} {
			for _, messages := range [][][]byte{{proxytest.Query(sql)}, {rig.QueryUnit(sql), proxytest.Sync()}} {
				if got := w.Same(t, messages...); !strings.HasSuffix(rig.TypesOf(got), "IZ") {
					t.Errorf("%q is answered with %v, want EmptyQueryResponse", sql, got)
				}
				if word := w.Status(t); word != "notaquery" {
					t.Errorf("%q is %s, want notaquery", sql, word)
				}
			}
		}
		w.Hits(t, proxytest.Query("select a from t"))
	}
}

func TestChecklist_P23_AQueryAmongOtherStatementsIsNotKept(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p23", "create table t as select 1 as a; create table log(n int)")
	p, plain := b.Pair(t), b.Pair(t)
	const sql = "select count(*) from t"
	plain.Hits(t, sql)
	for _, text := range []string{
		"insert into t values (2); select count(*) from t; select 1/0", "insert into t values (2); select count(*) from t; rollback", "select count(*) from t; select 1/0", "begin; insert into t values (2); select count(*) from t; rollback",
		"select count(*) from t; select count(*) from t", ";select count(*) from t; ;select 1", "set local timezone to 'UTC'; select count(*) from t", "select 1/0; select count(*) from t",
	} {
		for range 2 {
			p.Do(t, text)
			if word := rig.Status(t, p.Through); word == "hit" || word == "miss" {
				t.Errorf("%s is %s", text, word)
			}
			plain.Right(t, sql)
		}
	}
	for i := range 3 {
		rig.Ask(t, p.Through, fmt.Sprintf("insert into t values (%d); select count(*) from t", i))
		plain.Right(t, sql)
	}
	plain.Hits(t, sql)
}

// Longer keys come with a newer minor version, of which neither this proxy nor the servers it was made for know. Who asks for it
// is told so, may cancel, and shares what is kept.
func TestChecklist_P24_AClientOfANewerProtocolIsServedFromTheSameCache(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p24", "create table t as select 1 as a")
	b.Pair(t).Hits(t, "select a from t")
	newer := func(address string) *proxytest.Wire {
		w, err := proxytest.DialRaw(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		startup := proxytest.StartupMessage(proxytest.Login{User: "postgres", Database: "checklist_p24"})
		binary.BigEndian.PutUint32(startup[4:], 3<<16|2)
		if err := w.Send(startup); err != nil {
			t.Fatal(err)
		}
		if w.Startup, err = w.ReceiveReady(1); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := &rig.WirePair{Through: newer(b.Address), Real: newer(b.Pg.Addr())}
	if m := w.Through.Startup[0]; m.Type != 'v' {
		t.Errorf("the first answer is %v, want NegotiateProtocolVersion", m)
	}
	w.HitsAtOnce(t, proxytest.Query("select a from t"))
	key := rig.KeyOf(w.Through.Startup)
	if len(key) != 8 {
		t.Errorf("the key to cancel has %d bytes, want 8", len(key))
	}
	if err := w.Through.Send(proxytest.Query("select pg_sleep(600), 'checklist_p24'")); err != nil {
		t.Fatal(err)
	}
	rig.AwaitQuery(t, b.Pg, "select pg_sleep(600), ''checklist_p24")
	rig.SendCancel(t, b.Instance, key)
	if got, err := w.Through.ReceiveReady(1); len(got) < 2 || rig.Fields(got[len(got)-2])['C'] != "57014" || err != nil {
		t.Errorf("got %v, %v, want 57014", got, err)
	}
	w.HitsAtOnce(t, proxytest.Query("select a from t"))
}

func TestChecklist_P25_TheDataOfACopyIsNoMessage(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p25", "create table t as select 1 as a; create table u(line text)")
	w, reader := b.Wires(t), b.Pair(t)
	// What is copied reads like messages of the protocol, cut in all places, in the midst of a batch too.
	looks := slices.Concat(proxytest.Query("delete from t"), rig.QueryUnit("delete from t"), proxytest.Sync(), proxytest.Terminate())
	looks = []byte(strings.Map(func(r rune) rune {
		if r < ' ' || r == '\\' {
			return '.'
		}
		return r
	}, string(looks)))
	for _, copies := range []string{"copy u from stdin", "copy u(line) from stdin (format csv, quote '`')"} {
		for size := 1; size < len(looks); size = size*2 + 1 {
			reader.Hits(t, "select a from t", "select count(*) from u")
			messages := [][]byte{proxytest.Query(copies)}
			for part := range slices.Chunk(append(slices.Clone(looks), '\n'), size) {
				messages = append(messages, proxytest.CopyData(part))
			}
			if got := w.Same(t, append(messages, proxytest.CopyDone())...); rig.TypesOf(got) != "GCZ" {
				t.Fatalf("got %v", got)
			}
			reader.HitsAtOnce(t, "select a from t")
			reader.Right(t, "select count(*) from u")
			reader.Do(t, "select line from u")
		}
	}
	binaryHeader := append([]byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0e"), "select a from "...)
	w.Same(t, proxytest.Query("copy u from stdin (format binary)"), proxytest.CopyData(binaryHeader), proxytest.CopyData([]byte("\xff\xff")), proxytest.CopyDone())
	w.Same(t, proxytest.Query("copy u from stdin"), proxytest.CopyData([]byte("lost\n")), proxytest.CopyFail("select a from t"))
	reader.Right(t, "select count(*) from u", "select line from u where line like 'select%'")
	// What is copied out is read anew each time, and is no answer to the query in it.
	const out = "copy (select a from t) to stdout"
	for _, change := range []string{"", "update t set a = a + 1", "", "insert into t values (7)"} {
		if change != "" {
			rig.Ask(t, reader.Real, change) // around the proxy
		}
		if got := w.Same(t, proxytest.Query(out)); !strings.HasPrefix(rig.TypesOf(got), "Hd") {
			t.Errorf("got %v", got)
		}
		if word := w.Status(t); word != "notaquery" {
			t.Errorf("%s is %s, want notaquery", out, word)
		}
		w.Same(t, proxytest.Parse("", out), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync())
	}
}

// Replication connections are not served, so nothing can be kept of them. That is said at the door, and a client who only names
// the parameter is like any other.
func TestChecklist_P26_ReplicationIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	b := rig.StartPairs(t, "checklist_p26", "create table t as select 1 as a")
	p := b.Pair(t)
	p.Hits(t, "select a from t")
	for _, value := range []string{"database", "true", "on", "yes", "1"} {
		_, err := pgconn.ConnectConfig(t.Context(), &b.Config(t, "checklist_p26", rig.With("replication", value)).Config)
		if rig.State(err) != "0A000" {
			t.Errorf("replication=%s: got %v, want 0A000", value, err)
		}
	}
	for _, value := range []string{"false", "off", "no", "0"} {
		plain := b.Pair(t, rig.With("replication", value))
		plain.HitsAtOnce(t, "select a from t")
		if _, err := rig.Try(t.Context(), plain.Through, "IDENTIFY_SYSTEM"); rig.State(err) != "42601" {
			t.Errorf("got %v, want a syntax error", err)
		}
		p.Hits(t, "select a from t")
	}
}
