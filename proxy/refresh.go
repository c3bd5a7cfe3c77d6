package proxy

import (
	"time"

	"overdrive/proxy/pgwire"
	"overdrive/querycache"
)

// This file fetches an answer anew while the old one, past its max_age, is still served. It is asked for as the client would
// ask, under the client's settings, by a session that has no client: so it waits its turn in the pool, and is kept under the
// same rules.

// startRefresh has a session without a client ask what s was just answered from the cache. It owns fill. message is copied
// before it returns.
func startRefresh(s *session, fill *querycache.Fill, message []byte) {
	r := &session{
		origin: s.origin, broker: s.broker, worker: s.worker, client: noClient{}, user: s.user,
		startup: s.want, want: s.want, told: s.want, state: ready, onlyReads: true, refreshes: true, fill: fill,
	}
	s.origin.refreshing.Add(1)
	s.worker.refreshes.add(r)
	r.endTimer = s.worker.after(refreshLimit, func() { r.end(reasonClientClosed, nil) })
	terminate := pgwire.AppendEmpty(nil, pgwire.Terminate)
	r.advance(append(message[:len(message):len(message)], terminate...))
	r.settle()
}

// refreshLimit is how long a refresh may take until it is given up, its query cancelled as if a client had vanished.
const refreshLimit = time.Minute

// maxRefreshing returns how many refreshes of an origin may be under way: they take servers that clients wait for.
func maxRefreshing(poolSize int) int64 { return int64(max(1, poolSize/2)) }

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
	b = append(b, runAll...)
	return append(b, syncMessage...)
}

// noClient is the peer of a session that has none.
type noClient struct{}

func (noClient) Write([]byte)       {}
func (noClient) WriteShared([]byte) {}
func (noClient) Pending() int       { return 0 }
func (noClient) Congested() bool    { return false }
func (noClient) PauseRead()         {}
func (noClient) ResumeRead()        {}
func (noClient) Close()             {}
func (noClient) CloseAfterFlush()   {}
