package consistency_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// A form is one way of asking.
type form string

// The simple protocol stands first, so that a choice of the first two is one that any statement can be sent in.
const (
	formSimple form = "simple"
	formText   form = "unnamed, text"
	formBinary form = "unnamed, binary"
	formNamed  form = "named, text"
	formNamed2 form = "named, binary"
)

var forms = []form{formSimple, formText, formBinary, formNamed, formNamed2}

// codes is the result format.
func (f form) codes() []int16 {
	if strings.HasSuffix(string(f), "binary") {
		return []int16{1}
	}
	return []int16{0}
}

// A tally counts what the checker did.
type tally struct {
	reads, pipelines, transactions, writes, rollbacks, unknown, refused atomic.Int64

	mu       sync.Mutex // guards statuses
	statuses map[string]int
}

// A roamer is a client that reads and writes at random until it is told to stop. It belongs to one goroutine.
type roamer struct {
	*world
	*rand.Rand
	name     string
	config   *pgconn.Config
	conn     *pgconn.PgConn
	ctx      context.Context
	tally    *tally
	complain func(string)
	kinds    []*kind // of writes, as often as they are to be chosen
	noBlocks bool    // its database refuses transaction blocks
	clerk    bool    // it is the one whose rights come and go
	buffer   []int64
	prepared map[string]string // names by text
}

// connect logs in, again if it had been before. One login may fail, since the server connection that it asked for may be ended
// from outside.
func (r *roamer) connect() error {
	conn, err := pgconn.ConnectConfig(r.ctx, r.config)
	if err != nil {
		conn, err = pgconn.ConnectConfig(r.ctx, r.config)
	}
	if err == nil {
		r.conn, r.prepared = conn, map[string]string{}
	}
	return err
}

// form is one of the first n.
func (r *roamer) form(n int) form { return forms[r.IntN(n)] }

// writeForm is one that a kind can be sent in.
func (r *roamer) writeForm(k *kind) form {
	switch {
	case k.several:
		return formSimple
	case k.text || !k.plain():
		return r.form(3)
	}
	return r.form(len(forms))
}

// weighted returns an index below n, each as often as its weight says.
func (r *roamer) weighted(n int, weight func(int) int) int {
	sum := 0
	for i := range n {
		sum += weight(i)
	}
	at := r.IntN(sum)
	for i := range n {
		if at -= weight(i); at < 0 {
			return i
		}
	}
	return n - 1
}

// run sends a statement and reads its answer, or the last of its answers.
func (r *roamer) run(ctx context.Context, s statement, f form) (*pgconn.Result, error) {
	if s.data != "" {
		_, err := r.conn.CopyFrom(ctx, strings.NewReader(s.data), s.sql)
		return nil, err
	}
	if f == formSimple {
		results, err := r.conn.Exec(ctx, inline(s.sql, s.params)).ReadAll()
		if err != nil || len(results) == 0 {
			return nil, err
		}
		return results[len(results)-1], nil
	}
	var params [][]byte
	for _, p := range s.params {
		params = append(params, []byte(p))
	}
	if f == formText || f == formBinary {
		result := r.conn.ExecParams(ctx, s.sql, params, nil, nil, f.codes()).Read()
		return result, result.Err
	}
	name, err := r.prepare(ctx, s.sql)
	if err != nil {
		return nil, err
	}
	result := r.conn.ExecPrepared(ctx, name, params, nil, f.codes()).Read()
	return result, result.Err
}

// prepare returns the name of a statement, which it prepares when it is first asked for.
func (r *roamer) prepare(ctx context.Context, sql string) (string, error) {
	if name := r.prepared[sql]; name != "" {
		return name, nil
	}
	name := fmt.Sprint("s", len(r.prepared))
	if _, err := r.conn.Prepare(ctx, name, sql, nil); err != nil {
		return "", err
	}
	r.prepared[sql] = name
	return name, nil
}

// hints change how an answer is kept, and never what it shows.
var hints = []string{"/* overdrive: refresh */ ", "/* overdrive: max_age=100ms, swr=100ms */ ", "/* overdrive: no-cache */ "}

// A block is a transaction block that reads stand in.
type block struct {
	group    *group
	floors   []int64         // of a repeatable read transaction
	snapshot map[int64]int64 // what that has seen
}

// read asks one query and judges the answer. b is nil outside of a transaction block. It returns the error that the
// server, or the loss of the connection, answered with.
func (r *roamer) read(q *query, b *block) error {
	id, f := r.favourite(q.ids), r.form(len(forms))
	if q.simple {
		f = r.form(3)
	}
	s := statement{sql: q.sql}
	if r.IntN(16) == 0 {
		s.sql = hints[r.IntN(len(hints))] + q.sql
	}
	if q.ids > 0 {
		s.params = []string{fmt.Sprint(id)}
	}
	r.buffer = r.floors(r.buffer)
	rd := &reading{who: r.name, sql: inline(s.sql, s.params), form: string(f), asked: r.now(), floors: r.buffer}
	if b != nil {
		rd.form += ", in a transaction"
		rd.group, rd.written, rd.snapshot = b.group, len(b.group.attempts), b.snapshot
		if b.floors != nil {
			rd.floors = b.floors
		}
	}
	result, err := r.run(r.ctx, s, f)
	rd.answered = r.now()
	switch {
	case r.clerk && rig.State(err) == "42501":
		rd.sightings = []sighting{{register: r.only("grant")}}
		r.tally.refused.Add(1)
		err = nil
	case err != nil:
		return err
	default:
		rd.sightings, rd.broken = r.world.read(q, id, result)
		if r.clerk {
			rd.sightings = append(rd.sightings, sighting{register: r.only("grant"), present: true})
		}
	}
	n := r.tally.reads.Add(1)
	wrong := r.judge(rd)
	if b == nil && (n%8 == 0 || wrong != "") {
		r.sample(wrong != "")
	}
	return err
}

// favourite chooses one of n rows, mostly the first, so that it is asked for again before it is written.
func (r *roamer) favourite(n int) int {
	if n == 0 || r.IntN(2) == 0 {
		return 0
	}
	return r.IntN(n)
}

// sample asks what became of the last statement.
func (r *roamer) sample(wrong bool) {
	got, err := rig.Try(r.ctx, r.conn, "show overdrive.status")
	if err != nil {
		got = "not told" // the connection was lost meanwhile
	}
	if wrong {
		r.noteLast("its status was " + got)
	}
	r.tally.mu.Lock()
	r.tally.statuses[got]++
	r.tally.mu.Unlock()
}

// query chooses one.
func (r *roamer) query(inSnapshot bool) *query {
	for {
		q := &consistencyQueries[r.IntN(len(consistencyQueries))]
		switch {
		case r.clerk:
			return clerksQuery
		case !inSnapshot || !q.ofNow:
			return q
		}
	}
}

// readIn reads within a transaction, once what a job wrote and once anything. It reports whether the transaction lives.
func (r *roamer) readIn(b *block, j job) bool {
	about := r.query(false)
	for _, q := range consistencyQueries {
		if strings.Contains(q.sql, " "+j.family) && r.IntN(2) == 0 {
			about = &q
			break
		}
	}
	for _, q := range []*query{about, r.query(false)} {
		if err := r.read(q, b); err != nil {
			r.giveUp(b.group, err)
			return false
		}
	}
	return true
}

// readBlock is a transaction that only reads, perhaps from one snapshot.
func (r *roamer) readBlock() error {
	b := &block{group: &group{who: r.name}}
	begin := "begin"
	if r.IntN(2) == 0 {
		begin = "begin isolation level repeatable read"
		b.snapshot = map[int64]int64{}
	}
	_, err := r.run(r.ctx, statement{sql: begin}, r.form(2))
	if b.snapshot != nil {
		b.floors = r.floors(nil)
	}
	for range 1 + r.IntN(4) {
		if err == nil {
			err = r.read(r.query(b.snapshot != nil), b)
		}
	}
	if err == nil {
		_, err = r.run(r.ctx, statement{sql: "commit"}, r.form(2))
	}
	return err
}

// roam does one thing after the other until stop says so.
func (r *roamer) roam(writes, blocks, pipelines int, pause func(), stop func() bool) {
	for !stop() {
		var err error
		switch n := r.IntN(100); {
		case n < writes && len(r.kinds) > 0:
			pause()
			r.write()
		case n < writes+blocks && !r.noBlocks && !r.clerk:
			err = r.readBlock()
		case n < writes+blocks+pipelines && !r.clerk:
			err = r.pipeline(pause)
		default:
			err = r.read(r.query(false), nil)
		}
		r.recover(err)
	}
	rig.CloseConn(r.conn)
}

// tolerated are the errors that what the checker does may meet with.
var tolerated = []string{
	"57014", // cancelled
	"22012", // division by zero, on purpose
	"40P01", // deadlock
	"40001", // an update of what changed since the snapshot
	"57P01", // its server was told to go
	"08006", // so the proxy lost it
	"42P07", // it inherits already
}

// lost says that an error leaves no connection.
func (r *roamer) lost(err error) bool {
	var e *pgconn.PgError
	return err != nil && (r.conn.IsClosed() || !errors.As(err, &e))
}

// recover makes the client usable after an error, and complains of one that nothing explains.
func (r *roamer) recover(err error) {
	orphan := err != nil && strings.Contains(err.Error(), "is not a parent of relation")
	if err != nil && rig.State(err) != "" && !slices.Contains(tolerated, rig.State(err)) && !orphan {
		r.complain(err.Error())
	}
	if r.lost(err) {
		rig.CloseConn(r.conn)
		if err := r.connect(); err != nil {
			r.complain(err.Error())
		}
		return
	}
	if r.conn.TxStatus() != 'I' {
		if _, err := r.run(r.ctx, statement{sql: "rollback"}, formSimple); err != nil {
			r.recover(err)
		}
	}
}
