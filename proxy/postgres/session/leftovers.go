package session

import (
	"fmt"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/sqlscan"
)

// This file is about statements that code has prepared by SQL, as by EXECUTE 'PREPARE …', and that nobody has asked about, for want
// of a catalog. Those of the proxy must stay: clients were told what they return. So whoever washes the server asks for the names of
// the others (leftText), and closes them.

// asksLeft says whether what is owed may have the answer to it.
func (c *ServerConn) asksLeft(e *owed) bool {
	return c.params.unasked && (e.errand == applies || e.errand == washes)
}

// noteLeft takes a row of a wash. A name that is not ASCII may be another in the client's encoding, so it is not closed, and the
// connection not used again.
func (c *ServerConn) noteLeft(body []byte) error {
	values, err := pgwire.SplitDataRow(body)
	if err != nil {
		return fmt.Errorf("DataRow: %w", err)
	}
	if len(values) != 2 {
		return nil
	}
	c.prepared.left = true
	if name := string(values[0]); sqlscan.IsASCII(name) {
		c.addStray(name)
	} else {
		c.trouble.doubtful = true
	}
	return nil
}
