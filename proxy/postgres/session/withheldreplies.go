package session

import (
	"strings"

	"overdrive/proxy/postgres/pgwire"
)

// decidesParse says whether the reply behind e decides on a Parse that was not sent.
func (e *owed) decidesParse() bool { return e.action == forward && e.answer != nil }

// holdsBack says whether a message is kept until it is known what becomes of a Parse: the description of the parameters, behind which an
// error may come.
func (c *ServerConn) holdsBack(h pgwire.Header) bool {
	e := c.owed.front()
	return h.Type == pgwire.ParameterDescription && e != nil && e.decidesParse() &&
		len(e.answer) == len(parseComplete) && h.Body <= maxHeldReply
}

// decideParse notes what a message of the reply behind e says of the Parse, and whether the message is held back.
func (c *ServerConn) decideParse(e *owed, h pgwire.Header, body []byte) (held bool) {
	if c.holdsBack(h) {
		e.answer = pgwire.AppendMessage(append([]byte(nil), e.answer...), h.Type, body)
		return true
	}
	c.in.ahead, e.answer = e.answer, nil
	return false
}

// parseStands notes that an error came into the reply behind e. If a Parse would not have met it, the Parse went well.
func (c *ServerConn) parseStands(e *owed) {
	if e != nil && e.decidesParse() && e.kind == owedBind && !meetsParse(c.trouble.last.Code) {
		c.in.ahead, e.answer = e.answer, nil
	}
}

// meetsParse says whether a Parse may meet an error that came into the answer to a Bind: one of locks, time and names, not one of
// parameters, rights and portals. What says that the statement itself has become useless counts too, so that the client may prepare it anew.
func meetsParse(code string) bool {
	switch code {
	case pgwire.CodeQueryCanceled, pgwire.CodeLockNotAvailable, pgwire.CodeDeadlock, pgwire.CodeFeatureNotSupported, pgwire.CodeInvalidStatementName:
		return true
	case pgwire.CodeInsufficientRights, pgwire.CodeDuplicateCursor:
		return false
	}
	return strings.HasPrefix(code, "42")
}
