package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"

	"overdrive/proxy/pgwire"
)

// maxResult bounds the bytes that one Query may return.
const maxResult = 256 << 20

// errResult says that the server sent what is no result of a query.
var errResult = errors.New("malformed result")

// Query runs one statement by the simple protocol and returns its rows as text, NULL as the empty string. It blocks; close
// NC to interrupt it. After an error other than *ServerError the connection is of no more use.
func (c *Conn) Query(sql string) ([][]string, error) {
	if _, err := c.NC.Write(pgwire.AppendString(nil, pgwire.Query, sql)); err != nil {
		return nil, fmt.Errorf("send query: %w", err)
	}
	var rows [][]string
	var failure error
	for left := maxResult; ; {
		typ, body, err := pgwire.ReadMessage(c.NC, left)
		if err != nil {
			return nil, err
		}
		left -= len(body)
		switch typ {
		case pgwire.DataRow:
			row, err := readRow(body)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		case pgwire.ErrorResponse:
			failure = parseServerError(body)
		case pgwire.ReadyForQuery:
			return rows, failure
		}
	}
}

// readRow takes a DataRow apart.
func readRow(body []byte) ([]string, error) {
	if len(body) < 2 {
		return nil, errResult
	}
	row := make([]string, binary.BigEndian.Uint16(body))
	body = body[2:]
	for i := range row {
		if len(body) < 4 {
			return nil, errResult
		}
		n := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if n < 0 {
			continue
		}
		if int64(n) > int64(len(body)) {
			return nil, errResult
		}
		row[i], body = string(body[:n]), body[n:]
	}
	return row, nil
}
