package session

import (
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
)

// replyKind names the message whose answer is owed. It decides which server message settles the debt:
//
//	owedParse      ParseComplete
//	owedBind       BindComplete
//	owedClose      CloseComplete
//	owedDescribe   RowDescription or NoData (ParameterDescription before it settles nothing)
//	owedExecute    CommandComplete, EmptyQueryResponse or PortalSuspended
//	owedSync       ReadyForQuery
//	owedQuery      ReadyForQuery; all before it belongs to the answer
//	owedCall       ReadyForQuery (FunctionCall)
//	owedErrand     ReadyForQuery; all before it belongs to the errand
//	owedCopyEnd    nothing: it marks where a CopyDone or CopyFail stands that was sent before the server was known to copy
type replyKind uint8

const (
	owedParse replyKind = iota
	owedBind
	owedClose
	owedDescribe
	owedExecute
	owedSync
	owedQuery
	owedCall
	owedErrand
	owedCopyEnd
)

// endsBatch says whether ReadyForQuery settles this kind.
func (k replyKind) endsBatch() bool {
	return k == owedSync || k == owedQuery || k == owedCall || k == owedErrand
}

// action says what becomes of a reply.
type action uint8

const (
	forward action = iota // the client asked, the server answers: pass it on
	skip                  // we asked: the client must not see the answer
	fake                  // the server was never asked: the answer is ours and waits its turn
)

// owed is one reply that is due on a server connection.
type owed struct {
	kind   replyKind
	action action
	// unnamed marks a Parse or Close of the unnamed statement.
	unnamed bool
	// errand is what a batch of ours is for.
	errand  errand
	spoiled bool // it is known that the reply will not be kept
	// statement is what a Parse or Close is about, so that a failure can be undone.
	statement *statement
	// name is the client's name for the statement; empty for injected messages and the unnamed one.
	name string
	// answer holds the bytes of a fake, or of what the client gets ahead of the reply, once that decides on a Parse that was not sent.
	// They are never changed after they were queued.
	answer []byte
	// fill records the rows of this reply for the cache, if it asked for that.
	fill *querycache.Fill
}

// unnamedAfter says whether the message behind e makes or destroys the unnamed statement, and what that is afterwards.
func (e *owed) unnamedAfter() (after *statement, touched bool) {
	switch {
	case e.kind == owedParse && e.unnamed:
		return e.statement, true
	case e.kind == owedQuery, e.kind == owedErrand, e.kind == owedClose && e.unnamed:
		return nil, true
	}
	return nil, false
}

// isQuiet says whether the server sends nothing for e.
func (e *owed) isQuiet() bool { return e.action == fake || e.kind == owedCopyEnd }

// maxOwed bounds the replies owed on one connection: above it the client is not read until some have arrived.
const maxOwed = 4096

// replyQueue is the first-in, first-out queue of the replies owed on one server connection, a ring that grows by doubling.
// The zero value is empty. It belongs to the loop of its connection.
type replyQueue struct {
	ring  []owed // length is a power of two
	first int
	count int
	quiet int // entries that the server sends nothing for: fakes, and marks of the end of a copy
	// Batches are numbered in the order of their ends: sent is the number of the one that is being sent, answered that
	// of the oldest whose end is owed.
	sent, answered uint64
	open           bool // messages were sent since the last end of a batch
}

// undecided says whether it is open what became of a message of the given batch: the batch was sent as a whole, so that
// nothing can be added to it, and not answered as a whole, so that an error may yet turn out to have skipped the message.
func (q *replyQueue) undecided(batch uint64) bool { return q.answered <= batch && batch < q.sent }

func (q *replyQueue) len() int { return q.count }

// toCome is how many replies the server itself still owes.
func (q *replyQueue) toCome() int { return q.count - q.quiet }

// push appends an entry and returns it for filling in. The pointer is valid until the next push.
func (q *replyQueue) push(kind replyKind, act action) *owed {
	if q.count == len(q.ring) {
		q.grow()
	}
	e := &q.ring[(q.first+q.count)&(len(q.ring)-1)]
	q.count++
	*e = owed{kind: kind, action: act}
	switch {
	case e.isQuiet():
		q.quiet++
	case kind.endsBatch():
		q.sent++
		q.open = false
	default:
		q.open = true
	}
	return e
}

func (q *replyQueue) grow() {
	const initial = 16
	bigger := make([]owed, max(initial, 2*len(q.ring)))
	for i := range q.count {
		bigger[i] = *q.at(i)
	}
	q.ring, q.first = bigger, 0
}

// front returns the oldest entry, or nil. The pointer is valid until the next push or pop.
func (q *replyQueue) front() *owed {
	if q.count == 0 {
		return nil
	}
	return &q.ring[q.first]
}

// abortFills gives up keeping any reply that is still owed.
func (q *replyQueue) abortFills() {
	for i := range q.count {
		q.at(i).fill.Abort()
	}
}

// at returns the i-th oldest entry.
func (q *replyQueue) at(i int) *owed { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

// pop removes the oldest entry and copies it to e.
func (q *replyQueue) pop(e *owed) {
	oldest := &q.ring[q.first]
	*e = *oldest
	*oldest = owed{} // drops the pointers
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	if e.isQuiet() {
		q.quiet--
	}
	if e.kind.endsBatch() && e.action != fake {
		q.answered++
	}
	if q.count > 0 && q.front().kind == owedCopyEnd {
		q.pop(&owed{}) // what stood before it has not begun a copy, so the server ignores the end of one
	}
}

// enterCopyIn drops the Syncs that stand behind the front entry, up to the mark of the CopyDone or CopyFail that ends the
// copy: a server in copy mode ignores them (protocol chapter, "COPY Operations"). It returns how many it dropped and
// whether it met the mark, which it removes.
func (q *replyQueue) enterCopyIn() (dropped int, ended bool) {
	kept := 1
	for i := 1; i < q.count; i++ {
		e := *q.at(i)
		switch {
		case !ended && e.kind == owedSync && e.action == forward:
			dropped++
			continue
		case !ended && e.kind == owedCopyEnd:
			ended = true
			q.quiet--
			continue
		}
		*q.at(kept) = e
		kept++
	}
	for i := kept; i < q.count; i++ {
		*q.at(i) = owed{}
	}
	q.count = kept
	q.answered += uint64(dropped)
	return dropped, ended
}

// unnamedAfter is what the unnamed statement will be once all that is owed has been answered, if it is now the given one:
// on the server, where our own messages count and our own answers do not, or as the client sees it.
func (q *replyQueue) unnamedAfter(now *statement, injected bool) *statement {
	for i := range q.count {
		e := q.at(i)
		if after, touched := e.unnamedAfter(); touched && (injected && e.action != fake || !injected && e.action != skip) {
			now = after
		}
	}
	return now
}

// hasSync says whether a Sync is still to be answered.
func (q *replyQueue) hasSync() bool {
	for i := range q.count {
		if e := q.at(i); e.kind == owedSync && e.action != fake {
			return true
		}
	}
	return false
}

// settles says whether a server message of type typ settles the debt of kind k.
func settles(k replyKind, typ byte) bool {
	switch k {
	case owedParse:
		return typ == pgwire.ParseComplete
	case owedBind:
		return typ == pgwire.BindComplete
	case owedClose:
		return typ == pgwire.CloseComplete
	case owedDescribe:
		return typ == pgwire.RowDescription || typ == pgwire.NoData
	case owedExecute:
		return typ == pgwire.CommandComplete || typ == pgwire.EmptyQueryResponse || typ == pgwire.PortalSuspended
	case owedSync, owedQuery, owedCall, owedErrand:
		return typ == pgwire.ReadyForQuery
	case owedCopyEnd:
		return false
	}
	return false
}

// belongs says whether a server message of type typ may stand in the reply of kind k at all. Anything else means that
// server and proxy no longer agree on what is being answered, and the connection is lost.
func belongs(k replyKind, typ byte) bool {
	if settles(k, typ) {
		return true
	}
	switch typ {
	case pgwire.CommandComplete:
		return k == owedQuery || k == owedErrand
	case pgwire.ParseComplete, pgwire.BindComplete, pgwire.CloseComplete:
		return k == owedErrand
	case pgwire.RowDescription, pgwire.PortalSuspended, pgwire.EmptyQueryResponse:
		return k == owedQuery
	case pgwire.DataRow:
		return k == owedQuery || k == owedExecute || k == owedErrand
	case pgwire.CopyInResponse, pgwire.CopyOutResponse, pgwire.CopyData, pgwire.CopyDone:
		return k == owedQuery || k == owedExecute
	case pgwire.ParameterDescription:
		return k == owedDescribe
	case pgwire.FunctionCallResponse:
		return k == owedCall
	}
	return false
}
