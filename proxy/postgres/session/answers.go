package session

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/sqlscan"
)

// This file is what each message of a server means: for the replies owed, for what is known of the server, and for its
// holder.

// peek reads the header at the front of b, and says how many bytes of the message must be there before it is dealt with: all of one that
// is looked into. One of which all is needed and that is larger than any that is kept is refused before a byte of its body is collected.
func (c *ServerConn) peek(b []byte) (h pgwire.Header, needed int, err error) {
	h, ok, err := pgwire.PeekHeader(b, c.identity.Limits.Message())
	if !ok {
		return h, pgwire.HeaderLen, err
	}
	whole := false
	switch h.Type {
	case pgwire.DataRow: // that a query of ours asked for
		e := c.owed.front()
		whole = e != nil && (e.errand == asks || e.errand == probes || c.asksLeft(e)) && h.Body <= maxHeldReply
	case pgwire.CommandComplete, pgwire.ParameterStatus:
		if whole = true; h.Body > maxHeldReply {
			err = fmt.Errorf("message type %q announces %d bytes, limit %d: %w", h.Type, h.Body, maxHeldReply, pgwire.ErrLength)
		}
	case pgwire.ReadyForQuery:
		if whole = true; h.Body != 1 {
			err = fmt.Errorf("ReadyForQuery: %w", pgwire.ErrBody)
		}
	case pgwire.ErrorResponse, pgwire.NotificationResponse:
		whole = h.Body <= maxHeldReply
	case pgwire.ParameterDescription:
		whole = c.holdsBack(h)
	}
	if whole {
		return h, h.Total(), err
	}
	return h, pgwire.HeaderLen, err
}

// message notes what one server message means and says whether the client gets it. body is whole where peek says
// so and empty otherwise.
func (c *ServerConn) message(h pgwire.Header, body []byte) (action, error) {
	e := c.owed.front()
	c.answers.filling = nil
	switch h.Type {
	case pgwire.ParameterStatus:
		return c.parameterStatus(body, e)
	case pgwire.ErrorResponse:
		return c.errorResponse(body, e)
	case pgwire.NoticeResponse:
		c.spoilFill(e)
		return frontAction(e), nil
	case pgwire.NotificationResponse:
		c.spoilFill(e)
		return c.notification(body), nil
	case pgwire.ReadyForQuery:
		return c.readyForQuery(body)
	}
	if e == nil || e.action == fake || !belongs(e.kind, h.Type) {
		return 0, fmt.Errorf("%w: type %q", errDesync, h.Type)
	}
	act := e.action
	switch h.Type {
	case pgwire.DataRow:
		if e.errand == asks || e.errand == probes {
			if err := c.learn(h, body); err != nil {
				return 0, err
			}
		} else if c.asksLeft(e) && h.Body <= maxHeldReply {
			if err := c.noteLeft(body); err != nil {
				return 0, err
			}
		}
	case pgwire.CommandComplete:
		c.copying.earlySyncs = 0 // of a copy that succeeded, and so were ignored
		if tag, _, ok := pgwire.CutString(body); ok {
			c.completed(tag, e)
		}
		if c.completedOurs(e) {
			act = skip
		}
	case pgwire.PortalSuspended:
		c.marks.completed(nil)
		c.holder.completed(nil)
	case pgwire.CopyInResponse:
		c.enterCopyIn()
	}
	if e.fill != nil {
		c.chooseFill(e, h.Type)
	}
	if e.decidesParse() && c.decideParse(e, h, body) {
		act = skip
	}
	if settles(e.kind, h.Type) {
		c.owed.pop(&c.done)
		if c.done.kind == owedExecute && c.done.fill != nil {
			c.answers.whole = append(c.answers.whole, c.done.fill)
		}
		c.holder.settled(&c.done)
	}
	return act, nil
}

// learn gives the holder a row that it asked for.
func (c *ServerConn) learn(h pgwire.Header, body []byte) error {
	if h.Body > maxHeldReply {
		c.holder.learned(nil)
		return nil
	}
	values, err := pgwire.SplitDataRow(body)
	if err != nil {
		return fmt.Errorf("DataRow: %w", err)
	}
	c.holder.learned(values)
	return nil
}

// frontAction is what becomes of a message that settles nothing: it shares the fate of the reply it stands in.
func frontAction(e *owed) action {
	if e != nil && e.action == skip {
		return skip
	}
	return forward
}

func (c *ServerConn) parameterStatus(body []byte, e *owed) (action, error) {
	name, value, err := pgwire.SplitParameterStatus(body)
	if err != nil {
		return 0, fmt.Errorf("ParameterStatus: %w", err)
	}
	c.spoilFill(e)
	if err := c.note(string(name), string(value)); err != nil {
		return 0, err
	}
	if c.holder != nil && c.holder.parameter(string(name), string(value), frontAction(e) == skip) {
		return forward, nil
	}
	return skip, nil
}

// maxReported bounds the parameters that a server may report.
const maxReported = 500

// note keeps what the server reported about one of its parameters.
func (c *ServerConn) note(name, value string) error {
	if !settings.Settable(name) {
		return nil
	}
	if !sqlscan.IsASCII(value) {
		value = settings.Doubtful // it came in some client_encoding, which another report may be about to change
	}
	c.params.has = c.identity.Interner.With(c.params.has, name, value)
	size := 0
	for _, it := range c.params.has.Items() {
		size += len(it.Name) + len(it.Value)
	}
	if len(c.params.has.Items()) > maxReported || size > maxHeldReply {
		return fmt.Errorf("%w: more than %d parameters, or %d bytes of them, reported", errDesync, maxReported, maxHeldReply)
	}
	return nil
}

func (c *ServerConn) readyForQuery(body []byte) (action, error) {
	status := pgwire.TxStatus(body[0])
	if status != pgwire.TxIdle && status != pgwire.TxOpen && status != pgwire.TxFailed {
		return 0, fmt.Errorf("ReadyForQuery: unknown transaction status %q: %w", status, pgwire.ErrBody)
	}
	e := c.owed.front()
	switch {
	case e == nil && c.trouble.doubtful: // an early Sync was answered after all
		c.status = status
		if status == pgwire.TxIdle {
			c.marks.atRest()
		}
		return forward, nil
	case e == nil || e.action == fake || !e.kind.endsBatch():
		return 0, fmt.Errorf("%w: ReadyForQuery", errDesync)
	}
	c.status = status
	c.copying.in, c.copying.earlySyncs = false, 0
	c.owed.pop(&c.done)
	if c.done.fill != nil {
		c.answers.whole = append(c.answers.whole, c.done.fill)
	}
	c.keepWhole()
	c.workEnds(c.done.action != forward)
	if c.inserted != nil && c.inserted.batch < c.owed.answered {
		c.inserted = nil
	}
	if status == pgwire.TxIdle {
		c.marks.atRest()
	}
	c.holder.ready(&c.done)
	if c.done.action == forward {
		c.in.ahead = c.newsNow()
	}
	return c.done.action, nil
}

// newsNow are the holder's, if no transaction is open and no answer is to come.
func (c *ServerConn) newsNow() []byte {
	if c.status != pgwire.TxIdle {
		return nil
	}
	news := c.holder.news()
	if !c.tells {
		return news
	}
	c.tells = false
	if told := c.holder.untold(); len(told) > 0 {
		return slices.Concat(told, news)
	}
	return news
}

// notification gives the holder a notification. One that is larger than PostgreSQL's are is passed on unread.
func (c *ServerConn) notification(body []byte) action {
	const pidLen = 4
	if c.holder == nil || len(body) < pidLen+2 {
		return forward
	}
	c.in.ahead = c.holder.notified(binary.BigEndian.Uint32(body), body[pidLen:])
	return skip
}

// completed keeps what a command tag tells about the state of the server.
func (c *ServerConn) completed(tag []byte, e *owed) {
	switch string(tag) {
	case "DISCARD ALL":
		c.forgetStatements()
		c.prepared.unnamed = nil
		c.params.has, c.params.unasked = c.identity.reported(c.params.has), false // a stain stays: it may be a seed
	case "DEALLOCATE ALL":
		c.forgetStatements()
	}
	c.marks.completed(tag)
	if e.errand == noErrand { // else it says nothing of what the client has
		c.holder.completed(tag)
	}
}

// errorResponse follows the server through an error. In the extended protocol it skips all messages up to the next Sync,
// a simple Query among them included (protocol chapter, "Extended Query"); in the simple protocol the batch goes on to
// its ReadyForQuery.
func (c *ServerConn) errorResponse(body []byte, e *owed) (action, error) {
	c.trouble.last = pgwire.ReadError(body)
	c.dropWhole(e)
	if c.trouble.last.Fatal() {
		c.trouble.dying, c.trouble.unheard = true, e != nil && e.errand != noErrand
	}
	if c.copying.in || c.copying.earlySyncs > 0 {
		c.trouble.doubtful = c.trouble.doubtful || c.copying.earlySyncs > 0
		c.copying.in, c.copying.earlySyncs = false, 0
	}
	if c.holder == nil {
		return 0, fmt.Errorf("server gave up an idle connection: %s", c.trouble.last.Message)
	}
	if e != nil && e.statement != nil && c.trouble.last.Code == pgwire.CodeInvalidStatementName {
		c.prepared.residents.remove(e.statement) // somebody deallocated it by SQL
	}
	if e != nil && !(e.action == skip && e.kind.endsBatch()) { // what failed is no question of ours
		c.marks.failed(e.kind == owedParse || e.kind == owedQuery && pgwire.IsFromGrammar(body))
	}
	c.holder.failed(c.trouble.last, e)
	c.parseStands(e)
	if e != nil && e.name != "" {
		c.in.instead = restoreName(body, e.name)
	}
	if moved := c.withoutInsertions(body, e); moved != nil {
		c.in.instead = moved
	}
	switch {
	case e == nil:
	case e.kind.endsBatch():
		c.spoilFill(e)
	default:
		c.skipToSync()
	}
	if c.in.instead != nil || e != nil && e.action == skip && e.kind.endsBatch() {
		return skip, nil
	}
	return forward, nil // of an injected Parse too: it is the error of the message that needed it
}

// restoreName returns an ErrorResponse in which the client's name for a statement stands where body has ours, or nil if
// body does not name it.
func restoreName(body []byte, name string) []byte {
	before, after, found := bytes.Cut(body, []byte(serverPrefix))
	if !found {
		return nil
	}
	after = bytes.TrimLeft(after, "0123456789abcdef")
	return pgwire.AppendMessage(nil, pgwire.ErrorResponse, slices.Concat(before, []byte(name), after))
}

// skipToSync takes back all that the server will not answer after an error, the newest first, as later messages built on
// earlier ones.
func (c *ServerConn) skipToSync() {
	n := 0
	for n < c.owed.len() && (c.owed.at(n).kind != owedSync || c.owed.at(n).action == fake) {
		n++
	}
	c.trouble.discarding = n == c.owed.len()
	for i := n - 1; i >= 0; i-- {
		c.undo(c.owed.at(i), i == 0)
	}
	for left := c.owed.len() - n; c.owed.len() > left; {
		c.owed.pop(&owed{})
	}
	c.prepared.unnamed = c.owed.unnamedAfter(nil, true)
	c.holder.skipped()
}

// undo restores what was noted when the message behind e was sent.
func (c *ServerConn) undo(e *owed, failed bool) {
	c.spoilFill(e)
	switch {
	case e.kind == owedParse && !e.unnamed && e.action != fake:
		c.prepared.residents.remove(e.statement)
	case e.kind == owedClose && e.action == skip && e.statement != nil:
		c.prepared.residents.add(e.statement, 0)
	}
	c.holder.undone(e, failed)
}

func (c *ServerConn) enterCopyIn() {
	dropped, ended := c.owed.enterCopyIn()
	c.copying.earlySyncs = dropped
	c.copying.in = !ended
	if dropped > 0 && c.owed.front().kind == owedExecute && !c.owed.hasSync() {
		c.owed.open = true
		c.holder.reopened()
	}
}

// chooseFill decides whether the cache keeps a message of a reply that it asked for: rows, descriptions, their end, and what
// comes before them but for ParseComplete, which only some who ask the same are owed. Anything else makes an answer that is
// not kept.
func (c *ServerConn) chooseFill(e *owed, typ byte) {
	switch typ {
	case pgwire.RowDescription, pgwire.DataRow, pgwire.CommandComplete, pgwire.PortalSuspended, pgwire.BindComplete,
		pgwire.ParameterDescription:
		if !e.spoiled {
			c.answers.filling = e.fill
		}
	case pgwire.ParseComplete:
	default:
		c.spoilFill(e)
	}
}

// spoilFill gives up keeping the reply that a notice, an error or a changed parameter came into.
func (c *ServerConn) spoilFill(e *owed) {
	if e != nil {
		e.fill.Spoil()
		e.spoiled = true
	}
}

// keepWhole ends the batch for the cache: the answers in it are kept if it left no transaction open, and new logins have the same
// defaults as this connection.
func (c *ServerConn) keepWhole() {
	for i, f := range c.answers.whole {
		if (c.status == pgwire.TxIdle || c.status == pgwire.TxOpen && c.answers.early) && c.Era == c.identity.Era() {
			f.Commit()
		} else {
			f.Abort()
		}
		c.answers.whole[i] = nil
	}
	c.answers.whole, c.answers.early = c.answers.whole[:0], false
}

// dropWhole gives up what an error in the same batch casts doubt on. e is what it came into.
func (c *ServerConn) dropWhole(e *owed) {
	if e == nil {
		return
	}
	for i, f := range c.answers.whole {
		f.Spoil()
		c.answers.whole[i] = nil
	}
	c.answers.whole = c.answers.whole[:0]
	// Cancelled, or told to go: others who ask the same are to try again.
	if code := c.trouble.last.Code; code == pgwire.CodeQueryCanceled || strings.HasPrefix(code, "57P") {
		c.owed.abortFills()
	}
}

// abortFills gives up keeping any answer: who asked for it is gone.
func (c *ServerConn) abortFills() {
	for i, f := range c.answers.whole {
		f.Abort()
		c.answers.whole[i] = nil
	}
	c.answers.whole = c.answers.whole[:0]
	c.owed.abortFills()
}
