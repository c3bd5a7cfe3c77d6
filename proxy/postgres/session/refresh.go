package session

import (
	"encoding/binary"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

// This file fetches an answer anew while the old one, past its max_age, is still served. It is asked for as the client would
// ask, under the client's settings, by a session that has no client: so it waits its turn in the pool, and is kept under the
// same rules.

// refreshLimit is how long a refresh may take until it is given up, its query cancelled as if a client had vanished.
const refreshLimit = time.Minute

// refreshQuery returns the message that asks a simple Query again.
func refreshQuery(text []byte) []byte {
	return pgwire.AppendString(nil, pgwire.Query, string(text))
}

// messages returns the messages that ask a unit again, with a Sync.
func (u *unit) messages() []byte {
	b := pgwire.AppendParse(nil, "", u.statement.body)
	if u.form&formDescribeStatement != 0 {
		b = pgwire.AppendTarget(b, pgwire.Describe, pgwire.Statement, "")
	}
	b = pgwire.AppendBindHead(b, nil, "", len(u.params))
	b = append(b, u.params...)
	if u.form&formDescribePortal != 0 {
		b = pgwire.AppendTarget(b, pgwire.Describe, pgwire.Portal, "")
	}
	b = pgwire.AppendMessage(b, pgwire.Execute, binary.BigEndian.AppendUint32([]byte{0}, u.limit))
	return append(b, syncMessage...)
}

// noClient is the peer of a session that has none.
type noClient struct{}

func (noClient) Write([]byte) {}
func (noClient) WriteShared(_ []byte, loan Releaser) {
	if loan != nil {
		loan.Release()
	}
}
func (noClient) Pending() int     { return 0 }
func (noClient) Congested() bool  { return false }
func (noClient) PauseRead()       {}
func (noClient) ResumeRead()      {}
func (noClient) Close()           {}
func (noClient) CloseAfterFlush() {}
