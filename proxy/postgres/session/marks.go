package session

import (
	"math"
	"slices"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file is about what the writes on a server connection do to the cache until it is known how they ended. A write is
// marked before it is sent, and while the mark is there nothing that it may change is served or kept. The marks belong to
// the connection, whoever holds it, since only what becomes of the connection can end them:
//
//	begin ──▶ marked ── its batch is answered, and no transaction is open ───────▶ over, or taken back
//	             └───── the connection leaves: told to go, lost, or given up ────▶ over, or abandoned if it owes replies
//
// What becomes of those that are abandoned is told in ghosts.go.
//
// Invariant: a connection in the pool, or out of this world, has no marks.

// marks are those of one connection, the oldest first. Each ends by itself: a client that has sent its next write before
// it was told of the end of the one before does not hold that one up.
type marks struct {
	conn *ServerConn
	open []mark
	// kept says that some of the transaction that is being answered is committed; undone, that by what was answered
	// last all of it is rolled back.
	kept, undone bool
	underWay     []underWay
	// ran says that a statement of the transaction has come to its end; left, that the transaction block may have been left.
	ran, left bool
	// unrun says that what was answered last is an error by which nothing has run.
	unrun bool
}

// A mark is what one batch writes, or the batches of one transaction.
type mark struct {
	write    *querycache.Write // nil: caching is off
	batch    uint64            // the last one of it
	judgedAt uint64            // version of the catalog when it began to write
	ddl      bool              // it changes the catalog
	touches  []*classify.Touch // all that it changes there, unless it is vast
	vast     bool
	coded    bool // it may run code later on: by a trigger that is deferred, say, or out of a cursor
	shared   bool // and what all databases of the server have in common
	blunt    bool // it may have committed a part on its own, in a procedure, if it ran at all
	joined   bool // it is of several transactions, which may have ended differently

	left       *querycache.Abandoned // of write, once it is abandoned
	alteration *alteration           // of ddl, once it may be committed
}

// maxMarks bounds the marks of one connection. Further writes join the last one, which then lasts longer.
const maxMarks = 64

// begin marks what a statement, which is sent next, may write.
func (m *marks) begin(v *classify.Verdict) {
	c := m.conn
	last := len(m.open) - 1
	if v.Commits && last >= 0 {
		m.open[last].joined = true // with it what stands before it in a pipeline, by servers that allow that
	}
	if v.Effect == verdict.EffectNone && !v.DDL || c.identity.Cache == nil && !v.DDL && last < 0 {
		return // where nothing is kept, only the catalog is followed
	}
	switch {
	case last >= 0 && (m.open[last].batch == c.owed.sent || c.owed.toCome() == 0): // one transaction
	case last+1 >= maxMarks:
		m.open[last].joined = true
	default:
		m.open = append(m.open, mark{judgedAt: c.identity.Usual.Classifier.Version()})
		last++
	}
	w := &m.open[last]
	m.add(w, v)
	w.batch = c.owed.sent
	brought := slices.ContainsFunc(m.open, mark.bringsCode)
	w.noteDDL(v)
	if v.DDL && slices.ContainsFunc(m.open, func(w mark) bool { return w.coded }) {
		m.add(w, unseenRun) // code that runs behind it is another then
	}
	if w.alteration != nil || w.ddl && !m.inBlock() {
		c.identity.Alterations.announce(m, w)
	}
	w.shared = w.shared || v.Shared
	w.blunt = w.blunt || v.Effect == verdict.EffectEverything && (brought && !v.DDL || !v.Atomic && !(v.AtomicInBlock && m.inBlock())) || v.DDL && v.Commits
}

// bringsCode reports whether DDL of the transaction may have brought code that the catalog does not show: it may reach the database by a connection of
// its own, and the rollback takes back the code, but not what it has done there.
func (w mark) bringsCode() bool {
	return w.vast || slices.ContainsFunc(w.touches, (*classify.Touch).Code)
}

// inBlock reports whether what is sent next certainly runs in a transaction block: the server has said last that one is open, and nothing was
// sent since that may end it.
func (m *marks) inBlock() bool {
	q := &m.conn.owed
	if m.conn.status == pgwire.TxIdle || m.left || q.answered != q.sent {
		return false
	}
	for i := range q.len() {
		if q.at(i).kind == owedExecute {
			return false
		}
	}
	return true
}

// mayCommit is called before a text is sent by which the transaction may be committed.
func (m *marks) mayCommit() {
	for i := range m.open {
		if w := &m.open[i]; w.ddl && w.alteration == nil {
			m.conn.identity.Alterations.announce(m, w)
		}
	}
}

// noteDDL notes what of the catalog a statement changes, or that it may run code later on.
func (w *mark) noteDDL(v *classify.Verdict) {
	if !v.DDL {
		w.coded = w.coded || v.Loose
		return
	}
	w.ddl = true
	if v.Touch == nil || len(w.touches) == maxTouches {
		w.vast = true
		return
	}
	w.touches = append(w.touches, v.Touch)
}

// maxTouches bounds the DDL of one mark that is told apart.
const maxTouches = 64

// touched returns what the DDL of the open transaction touches, and of whatever else may still end otherwise. known is false where that may be anything.
func (m *marks) touched() (touches []*classify.Touch, known bool) {
	for i := range m.open {
		if m.open[i].vast {
			return nil, false
		}
		touches = append(touches, m.open[i].touches...)
	}
	return touches, true
}

// add has the cache know what a statement may write.
func (m *marks) add(w *mark, v *classify.Verdict) {
	switch cache := m.conn.identity.Cache; {
	case w.write != nil:
		w.write.Add(&v.Statement)
	case cache != nil:
		w.write = cache.BeginWrite(&v.Statement)
	}
}

// completed and failed follow what becomes of the transaction. A ROLLBACK may be one to a savepoint: what counts is what
// was answered last when the server is at rest.
func (m *marks) completed(tag []byte) {
	m.ran, m.unrun = true, false
	switch m.undone = string(tag) == "ROLLBACK"; string(tag) {
	case "COMMIT", "PREPARE TRANSACTION":
		m.kept, m.left = true, true
	case "ROLLBACK":
		m.left = true
	}
}

// failed is called for an error. refused says that by the error nothing has run of what it answers: it answers a Parse, or the server's
// grammar has raised it.
func (m *marks) failed(refused bool) {
	m.undone = true
	m.unrun = refused && !m.ran
}

// atRest is called when a batch was answered and no transaction is open: the outcome of all that was answered can be seen
// by everybody, and the client has not read yet that it is over.
func (m *marks) atRest() {
	m.kept = m.kept || !m.undone
	n := 0
	for n < len(m.open) && m.open[n].batch < m.conn.owed.answered {
		n++
	}
	m.end(n, m.settle(m.conn.owed.answered) && !m.unrun) // an error alone proves nothing: it may have committed before
}

// end ends the n oldest marks: none, after most batches. moved tells that a statement of theirs, or one that was to write nothing, may have been another
// than its verdict says.
func (m *marks) end(n int, moved bool) {
	if moved {
		defer m.conn.identity.fear().End() // it may have written anything
	}
	if n > 0 {
		m.endOldest(n, moved)
	}
	m.kept, m.undone, m.ran, m.left, m.unrun = false, false, false, false, false
}

// endOldest is end for one mark at least.
func (m *marks) endOldest(n int, moved bool) {
	if m.conn.trouble.doubtful && !m.conn.ended() { // which answer belongs to which message is not known for certain
		m.abandon(n)
		n = 0
	}
	for i := range m.open[:n] {
		w := &m.open[i]
		w.vast = w.vast || moved && w.ddl // it may have changed what is there since
		m.over(w)
	}
	m.open = slices.Delete(m.open, 0, n)
}

// over ends one mark of which it is known what has become.
func (m *marks) over(w *mark) {
	o := m.conn.identity
	defer o.Alterations.forget(w)
	if !m.kept && m.undone && !w.joined && (!w.blunt || m.unrun) { // the catalog is as it was, too
		w.write.Withdraw()
		return
	}
	o.changed(w) // before anything can be kept again that the old catalog allowed
	w.write.End()
}

// abandon ends the n oldest marks, of which it cannot be known here whether, and when, their transactions take effect.
func (m *marks) abandon(n int) {
	if n == 0 {
		return
	}
	for i := range m.open[:n] {
		w := &m.open[i]
		m.conn.identity.changed(w)
		w.left = w.write.Abandon()
		m.conn.identity.Alterations.abandon(w, m.conn.space.now())
	}
	m.conn.identity.haunt(&m.conn.Backend, slices.Clone(m.open[:n]))
	m.open = slices.Delete(m.open, 0, n)
}

// drop ends all marks, because the connection leaves. A transaction that is still open ends with it, without effect;
// but what a server was asked and has not answered may be committed yet, unless the server has said that it ends.
func (m *marks) drop() {
	moved := m.settle(math.MaxUint64)
	if m.conn.owed.toCome() > 0 && !m.conn.ended() {
		m.abandon(len(m.open))
	}
	m.kept = true
	m.end(len(m.open), moved)
}

// ended says whether the server has told that its session is over: what it had not committed before it said so never will be.
// After a PANIC the transaction log decides.
func (c *ServerConn) ended() bool { return c.trouble.dying && c.trouble.last.Severity == "FATAL" }
