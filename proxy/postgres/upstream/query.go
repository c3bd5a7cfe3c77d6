package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

const (
	maxResult  = 256 << 20 // bytes that one Query may take from the server, and about what its rows take in memory
	perMessage = 64        // what a message costs besides its body: its head, and the slice of a row
	perValue   = 16        // the head of a string
	readBuffer = 16 << 10  // a catalog has thousands of short rows
	maxReply   = 256 << 10 // body of a message that is no row
)

// Query runs one statement by the simple protocol and returns its rows as text, NULL as the empty string. It blocks; close
// NC to interrupt it. It reads ahead, so that after the first Query nobody else may read from NC. After an error other than
// *ServerError the connection is of no more use.
func (c *Conn) Query(sql string) ([][]string, error) {
	c.buffer()
	if _, err := c.NC.Write(pgwire.AppendString(nil, pgwire.Query, sql)); err != nil {
		return nil, fmt.Errorf("send query: %w", err)
	}
	var rows [][]string
	var failure error
	for left := maxResult; ; {
		if left < 0 {
			return nil, fmt.Errorf("query: a result of more than %d bytes: %w", maxResult, pgwire.ErrLength)
		}
		typ, body, err := c.readReply(left)
		if err != nil {
			return nil, err
		}
		left -= perMessage + len(body)
		switch typ {
		case pgwire.DataRow:
			row, err := readRow(body)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
			left -= perValue * len(row)
		case pgwire.ErrorResponse:
			failure = parseServerError(body)
		case pgwire.ReadyForQuery:
			return rows, failure
		}
	}
}

// buffer has the connection be read ahead.
func (c *Conn) buffer() {
	if c.in == nil {
		c.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(c.Ahead), c.NC), readBuffer)
	}
}

// Receive reads the next message of a connection that is not asked by Query any more, whose body has limit bytes at most. It blocks; close
// NC to interrupt it. The body is the caller's.
func (c *Conn) Receive(limit int) (typ byte, body []byte, err error) {
	c.buffer()
	return pgwire.ReadMessage(c.in, limit)
}

// readReply reads one message. A row may be as large as left; anything else that is larger than PostgreSQL sends is refused
// when its header is read.
func (c *Conn) readReply(left int) (typ byte, body []byte, err error) {
	limit := left
	if next, err := c.in.Peek(1); err == nil && next[0] != pgwire.DataRow {
		limit = min(left, maxReply)
	}
	return pgwire.ReadMessage(c.in, limit)
}

// Close says goodbye and waits, as long as limit, until the server has hung up: by then the place is free that the connection had
// there. It is for connections that were asked by Query, and are at rest or broken.
func (c *Conn) Close(limit time.Duration) {
	defer c.NC.Close()
	if c.NC.SetDeadline(time.Now().Add(limit)) != nil {
		return
	}
	if _, err := c.NC.Write(pgwire.AppendEmpty(nil, pgwire.Terminate)); err == nil {
		_ = awaitEOF(c.NC)
	}
}

// readRow takes a DataRow apart.
func readRow(body []byte) ([]string, error) {
	values, err := pgwire.SplitDataRow(body)
	if err != nil {
		return nil, fmt.Errorf("DataRow: %w", err)
	}
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = string(v)
	}
	return row, nil
}
