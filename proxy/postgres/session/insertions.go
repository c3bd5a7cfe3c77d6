package session

import (
	"bytes"
	"strconv"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about statements of ours in a Query of the client's (returns.go): of their answers it hears nothing, and the position of an
// error is that in its own text.

// insertions are what was put into a Query that is owed an answer. A server connection has those of one Query at a time.
type insertions struct {
	batch     uint64 // of the Query
	completed int    // of its statements, ours included
	each      []insertion
}

// An insertion is one statement of ours.
type insertion struct {
	nth    int // its number in the text that was sent, from 1
	at     int // where it begins there, in letters
	length int // in letters
}

// insertionsInto returns what was put into the Query whose answer is due, nil if nothing was.
func (c *ServerConn) insertionsInto(e *owed) *insertions {
	if in := c.inserted; in != nil && e != nil && e.kind == owedQuery && c.owed.answered == in.batch {
		return in
	}
	return nil
}

// completedOurs counts a statement of a Query that is answered, and says whether it is one of ours.
func (c *ServerConn) completedOurs(e *owed) bool {
	in := c.insertionsInto(e)
	if in == nil {
		return false
	}
	in.completed++
	for _, one := range in.each {
		if one.nth == in.completed {
			return true
		}
	}
	return false
}

// withoutInsertions returns an ErrorResponse with the position that it has in the client's own text, or nil if it names none.
func (c *ServerConn) withoutInsertions(body []byte, e *owed) []byte {
	in := c.insertionsInto(e)
	if in == nil {
		return nil
	}
	start := bytes.Index(body, []byte("\x00P"))
	if start < 0 {
		return nil
	}
	start += len("\x00P")
	end := start + max(bytes.IndexByte(body[start:], 0), 0)
	position, err := strconv.Atoi(string(body[start:end]))
	if err != nil {
		return nil
	}
	for i := len(in.each) - 1; i >= 0; i-- {
		if one := in.each[i]; position > one.at {
			position -= min(one.length, position-one.at)
		}
	}
	changed := strconv.AppendInt(append([]byte(nil), body[:start]...), int64(position), 10)
	return pgwire.AppendMessage(nil, pgwire.ErrorResponse, append(changed, body[end:]...))
}
