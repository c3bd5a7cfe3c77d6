package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"overdrive/proxy/pgwire"
)

// This file is what each message of a server means: for the replies owed, for what is known of the server, and for its
// holder.

// mustBeWhole says whether a message is looked into and so kept until all of it is there.
func mustBeWhole(h pgwire.Header) bool {
	switch h.Type {
	case pgwire.CommandComplete, pgwire.ParameterStatus, pgwire.ReadyForQuery:
		return true
	case pgwire.ErrorResponse:
		return h.Body <= maxHeldReply
	}
	return false
}

// learns says whether a message is the row that a query of ours asked for.
func (c *serverConn) learns(h pgwire.Header) bool {
	e := c.owed.front()
	return h.Type == pgwire.DataRow && e != nil && e.learn && h.Body <= maxHeldReply
}

// message notes what one server message means and says whether the client gets it. body is whole where mustBeWhole says
// so and empty otherwise.
func (c *serverConn) message(h pgwire.Header, body []byte) (action, error) {
	e := c.owed.front()
	c.filling = nil
	switch h.Type {
	case pgwire.ParameterStatus:
		return c.parameterStatus(h, body, e)
	case pgwire.ErrorResponse:
		return c.errorResponse(body, e)
	case pgwire.NoticeResponse:
		c.spoilFill(e)
		return frontAction(e), nil
	case pgwire.NotificationResponse:
		c.spoilFill(e)
		return forward, nil
	case pgwire.ReadyForQuery:
		return c.readyForQuery(body)
	}
	if e == nil || e.action == fake || !belongs(e.kind, h.Type) {
		return 0, fmt.Errorf("%w: type %q", errDesync, h.Type)
	}
	act := e.action
	switch h.Type {
	case pgwire.DataRow:
		if c.learns(h) {
			values, err := pgwire.SplitDataRow(body)
			if err != nil {
				return 0, fmt.Errorf("DataRow: %w", err)
			}
			c.holder.learned(values)
		}
	case pgwire.CommandComplete:
		if h.Body > maxHeldReply {
			return 0, pgwire.ErrLength
		}
		c.earlySyncs = 0 // of a copy that succeeded, and so were ignored
		if tag, _, ok := pgwire.CutString(body); ok {
			c.completed(tag)
		}
	case pgwire.PortalSuspended:
		c.holder.completed(nil)
	case pgwire.CopyInResponse:
		c.enterCopyIn()
	}
	if e.fill != nil {
		c.chooseFill(e, h.Type)
	}
	if settles(e.kind, h.Type) {
		c.done = c.owed.pop()
		if c.done.kind == owedExecute && c.done.fill != nil {
			c.whole = append(c.whole, c.done.fill)
		}
		c.holder.settled(&c.done)
	}
	return act, nil
}

// frontAction is what becomes of a message that settles nothing: it shares the fate of the reply it stands in.
func frontAction(e *owed) action {
	if e != nil && e.action == skip {
		return skip
	}
	return forward
}

func (c *serverConn) parameterStatus(h pgwire.Header, body []byte, e *owed) (action, error) {
	if h.Body > maxHeldReply {
		return 0, pgwire.ErrLength
	}
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
func (c *serverConn) note(name, value string) error {
	if !settable(name) {
		return nil
	}
	c.has = c.origin.interner.with(c.has, name, value)
	if len(c.has.items) > maxReported {
		return fmt.Errorf("%w: more than %d parameters reported", errDesync, maxReported)
	}
	return nil
}

func (c *serverConn) readyForQuery(body []byte) (action, error) {
	if len(body) != 1 {
		return 0, fmt.Errorf("ReadyForQuery: %w", pgwire.ErrBody)
	}
	status := pgwire.TxStatus(body[0])
	if status != pgwire.TxIdle && status != pgwire.TxOpen && status != pgwire.TxFailed {
		return 0, fmt.Errorf("ReadyForQuery: unknown transaction status %q: %w", status, pgwire.ErrBody)
	}
	e := c.owed.front()
	switch {
	case e == nil && c.doubtful: // an early Sync was answered after all
		c.status = status
		return forward, nil
	case e == nil || e.action == fake || !e.kind.endsBatch():
		return 0, fmt.Errorf("%w: ReadyForQuery", errDesync)
	}
	c.status = status
	c.copyIn, c.earlySyncs = false, 0
	c.done = c.owed.pop()
	if c.done.fill != nil {
		c.whole = append(c.whole, c.done.fill)
	}
	c.keepWhole()
	c.holder.ready(&c.done)
	return c.done.action, nil
}

// completed keeps what a command tag tells about the state of the server.
func (c *serverConn) completed(tag []byte) {
	switch string(tag) {
	case "DISCARD ALL":
		c.residents.clear()
		c.unnamed = nil
		c.has = c.origin.reported(c.has)
	case "DEALLOCATE ALL":
		c.residents.clear()
	}
	c.holder.completed(tag)
}

// errorResponse follows the server through an error. In the extended protocol it skips all messages up to the next Sync,
// a simple Query among them included (protocol chapter, "Extended Query"); in the simple protocol the batch goes on to
// its ReadyForQuery.
func (c *serverConn) errorResponse(body []byte, e *owed) (action, error) {
	c.lastError = pgwire.ReadError(body)
	c.dropWhole(e)
	if c.lastError.Fatal() {
		c.dying = true
	}
	if c.copyIn || c.earlySyncs > 0 {
		c.doubtful = c.doubtful || c.earlySyncs > 0
		c.copyIn, c.earlySyncs = false, 0
	}
	if c.holder == nil {
		return 0, fmt.Errorf("server gave up an idle connection: %s", c.lastError.Message)
	}
	if e != nil && e.statement != nil && c.lastError.Code == codeInvalidStatementName {
		c.residents.remove(e.statement) // somebody deallocated it by SQL
	}
	c.holder.failed(c.lastError, e)
	if e != nil && e.name != "" {
		c.instead = restoreName(body, e.name)
	}
	switch {
	case e == nil:
	case e.kind.endsBatch():
		c.spoilFill(e)
	default:
		c.skipToSync()
	}
	if c.instead != nil || e != nil && e.action == skip && e.kind.endsBatch() {
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
func (c *serverConn) skipToSync() {
	n := 0
	for n < c.owed.len() && (c.owed.at(n).kind != owedSync || c.owed.at(n).action == fake) {
		n++
	}
	c.discarding = n == c.owed.len()
	for i := n - 1; i >= 0; i-- {
		c.undo(c.owed.at(i), i == 0)
	}
	for left := c.owed.len() - n; c.owed.len() > left; {
		c.owed.pop()
	}
	c.unnamed = c.owed.unnamedAfter(nil, true)
	c.holder.skipped()
}

// undo restores what was noted when the message behind e was sent.
func (c *serverConn) undo(e *owed, failed bool) {
	c.spoilFill(e)
	switch {
	case e.kind == owedParse && !e.unnamed && e.action != fake:
		c.residents.remove(e.statement)
	case e.kind == owedClose && e.action == skip && e.statement != nil:
		c.residents.add(e.statement, 0)
	}
	c.holder.undone(e, failed)
}

func (c *serverConn) enterCopyIn() {
	dropped, ended := c.owed.enterCopyIn()
	c.earlySyncs = dropped
	c.copyIn = !ended
	if dropped > 0 && c.owed.front().kind == owedExecute && !c.owed.hasSync() {
		c.owed.open = true
		c.holder.reopened()
	}
}

// chooseFill decides whether the cache keeps a message of a reply that it asked for: rows, descriptions, their end, and what
// comes before them but for ParseComplete, which only some who ask the same are owed. Anything else makes an answer that is
// not kept.
func (c *serverConn) chooseFill(e *owed, typ byte) {
	switch typ {
	case pgwire.RowDescription, pgwire.DataRow, pgwire.CommandComplete, pgwire.BindComplete, pgwire.ParameterDescription:
		if !e.spoiled {
			c.filling = e.fill
		}
	case pgwire.ParseComplete:
	default:
		c.spoilFill(e)
	}
}

// spoilFill gives up keeping the reply that a notice, an error or a changed parameter came into.
func (c *serverConn) spoilFill(e *owed) {
	if e != nil {
		e.fill.Spoil()
		e.spoiled = true
	}
}

// keepWhole ends the batch for the cache: the answers in it are kept if it left no transaction open.
func (c *serverConn) keepWhole() {
	for i, f := range c.whole {
		if c.status == pgwire.TxIdle {
			f.Commit()
		} else {
			f.Abort()
		}
		c.whole[i] = nil
	}
	c.whole = c.whole[:0]
}

// dropWhole gives up what an error in the same batch casts doubt on. e is what it came into.
func (c *serverConn) dropWhole(e *owed) {
	if e == nil {
		return
	}
	for i, f := range c.whole {
		f.Spoil()
		c.whole[i] = nil
	}
	c.whole = c.whole[:0]
	// Cancelled, or told to go: others who ask the same are to try again.
	if code := c.lastError.Code; code == codeQueryCanceled || strings.HasPrefix(code, "57P") {
		c.owed.abortFills()
	}
}

// abortFills gives up keeping any answer: who asked for it is gone.
func (c *serverConn) abortFills() {
	for i, f := range c.whole {
		f.Abort()
		c.whole[i] = nil
	}
	c.whole = c.whole[:0]
	c.owed.abortFills()
}
