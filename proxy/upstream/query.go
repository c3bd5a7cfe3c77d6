package upstream

import (
	"bufio"
	"fmt"

	"overdrive/proxy/pgwire"
)

const (
	maxResult  = 256 << 20 // bytes that one Query may take from the server, and about what its rows take in memory
	perMessage = 64        // what a message costs besides its body: its head, and the slice of a row
	perValue   = 16        // the head of a string
	readBuffer = 16 << 10  // a catalog has thousands of short rows
)

// Query runs one statement by the simple protocol and returns its rows as text, NULL as the empty string. It blocks; close
// NC to interrupt it. It reads ahead, so that after the first Query nobody else may read from NC. After an error other than
// *ServerError the connection is of no more use.
func (c *Conn) Query(sql string) ([][]string, error) {
	if c.ahead == nil {
		c.ahead = bufio.NewReaderSize(c.NC, readBuffer)
	}
	if _, err := c.NC.Write(pgwire.AppendString(nil, pgwire.Query, sql)); err != nil {
		return nil, fmt.Errorf("send query: %w", err)
	}
	var rows [][]string
	var failure error
	for left := maxResult; ; {
		if left < 0 {
			return nil, fmt.Errorf("query: a result of more than %d bytes: %w", maxResult, pgwire.ErrLength)
		}
		typ, body, err := pgwire.ReadMessage(c.ahead, left)
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
