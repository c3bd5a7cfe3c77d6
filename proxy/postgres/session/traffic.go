package session

import (
	"slices"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/traffic"
	"overdrive/querycache"
	"overdrive/querycache/verdict"
)

// This file counts what passes, for whoever looks at it from outside: see package traffic. A wait or an answer of the server takes
// several turns of the loop, so it is timed by the loop's clock, which is read once in a turn. An answer of ours takes a part of one turn, so its
// end is asked of the clock itself.

// A statusIndex is the place of a status in statuses: a session keeps it in a byte, and the status is counted by it.
type statusIndex uint8

// statuses are what can become of a statement. That of index 0 is shown before the first one, and counted for what never asks the cache:
// statements about the proxy itself, and transactions that begin or end without a server. The last is known only when the statement has
// been counted as a miss, so it is shown and not counted.
var statuses = [...]querycache.Status{
	"", querycache.Hit, querycache.Miss, querycache.Disabled, statusTransaction, verdict.NotAQuery, verdict.Uncacheable, verdict.Volatile,
	querycache.Stale, statusCoalesced, verdict.MultipleStatements, verdict.Unsettled, statusSession, querycache.Hinted, verdict.OversizedQuery,
	verdict.ParseError, statusOversized,
}

// wordless is what the status of index 0 is called where it is counted.
const wordless = "none"

// indexOf is the place of a status, 0 if it is none of those that a session may show.
func indexOf(status querycache.Status) statusIndex {
	return statusIndex(max(0, slices.Index(statuses[:], status)))
}

// Vocabulary returns the words that the sessions of an identity count by.
func Vocabulary() *traffic.Vocabulary {
	v := &traffic.Vocabulary{}
	for _, status := range statuses[:len(statuses)-1] {
		v.Statuses = append(v.Statuses, string(status))
	}
	v.Statuses[0] = wordless
	for why := range reasons {
		v.Ends = append(v.Ends, why.String())
	}
	for _, of := range pinNames {
		v.Pins = append(v.Pins, of.name)
	}
	return v
}

// timing is since when a session waits for something. Instants are those of its loop.
type timing struct {
	// since is when the client's batch at hand began to arrive; none: no batch is at hand; unattended: nobody waits for answers.
	since  instant
	queued instant // when the session began to wait for a server connection; none: it does not
	// account is what is told of the batch at hand, nil if nobody wants to know.
	account *traffic.Testimony
}

// unattended is the since of a session that has no client.
const unattended instant = -1

// lane is where what passes on the loop of the session is counted.
func (s *Session) lane() *traffic.Lane { return s.identity.Meter.Lane(s.space.lane) }

// lane is where what passes on the loop of the connection is counted.
func (c *ServerConn) lane() *traffic.Lane { return c.identity.Meter.Lane(c.space.lane) }

// noteStatus notes what became of a statement as far as the cache is concerned, once for each.
func (s *Session) noteStatus(status querycache.Status) {
	s.cache.last = indexOf(status)
	s.accountStatus(status)
	s.lane().Statements.Add(int(s.cache.last))
}

// noteOwn counts a statement that is answered by the proxy and has no status.
func (s *Session) noteOwn() { s.lane().Statements.Add(0) }

// toClient writes to the client. It is the server connection's call, too.
func (s *Session) toClient(b []byte) {
	if s.since != unattended {
		s.lane().ToClients.Add(uint64(len(b)))
	}
	s.client.Write(b)
}

// shareWithClient is toClient for bytes that are not copied: see Peer.
func (s *Session) shareWithClient(b []byte, loan Releaser) {
	if s.since != unattended {
		s.lane().ToClients.Add(uint64(len(b)))
	}
	s.client.WriteShared(b, loan)
}

// errorOf returns the message that tells the client of an error of ours.
func (s *Session) errorOf(report pgwire.ErrorReport) []byte {
	s.identity.Meter.ProxyErrors.AddError(report.Code)
	s.accountError(report.Code)
	return pgwire.AppendError(nil, report)
}

// turnBegins is called when a message is taken up: the client's time runs, if it does not already.
func (s *Session) turnBegins() {
	if s.since == 0 {
		s.since = s.space.instant()
		s.accountBegins()
	}
}

// turnEnds is called with each ReadyForQuery for the client: it tells of the status. fromServer: the server gives it. more: another
// is owed behind it, for what the client has sent meanwhile.
func (s *Session) turnEnds(status pgwire.TxStatus, fromServer, more bool) {
	by := traffic.ByProxy
	switch {
	case fromServer:
		by = traffic.ByServer
	case s.fromCache:
		by = traffic.ByCache
	}
	s.fromCache = false
	if s.since <= 0 {
		return
	}
	now, lane := s.space.precisely(), s.lane()
	lane.Answers[by].Observe(time.Duration(now - s.since))
	if status == pgwire.TxIdle {
		lane.Transactions.Add(1)
	}
	s.accountEnds(s.since, now)
	s.since = 0
	if more {
		s.since = now
	}
}

// queues is called when the session begins to wait for a server connection.
func (s *Session) queues() {
	if s.queued == 0 {
		s.queued = s.space.instant()
	}
}

// queuesNoMore is called when a wait for a server connection may have ended, in whatever way.
func (s *Session) queuesNoMore() {
	if s.queued != 0 && s.since != unattended {
		waited := time.Duration(s.space.instant() - s.queued)
		s.lane().Waits.Observe(waited)
		if s.account != nil {
			s.account.Waited += waited
		}
	}
	s.queued = 0
}

// work is since when a server has had something to do.
type work struct {
	since       instant        // the batch that it is at; what it says is only good while a reply is owed
	transaction instant        // the transaction that it is in; none: it is in none
	took        time.Duration  // by the last batch
	shape       *verdict.Tally // of the statement that it was sent last; nil: none since it was at rest
}

// write writes to the server.
func (c *ServerConn) write(b []byte) {
	c.lane().ToServers.Add(uint64(len(b)))
	c.peer.Write(b)
}

// workBegins is called before something is owed by a server that owed nothing.
func (c *ServerConn) workBegins() {
	c.work.since = c.space.instant()
	if c.work.transaction == 0 {
		c.work.transaction = c.work.since
	}
}

// workEnds is called when the server has ended a batch. What we ask for ourselves is not counted: ours says that it was such a batch.
func (c *ServerConn) workEnds(ours bool) {
	now, lane := c.space.instant(), c.lane()
	c.work.took = time.Duration(now - c.work.since)
	if !ours {
		lane.Upstream.Observe(c.work.took)
		if c.work.shape != nil {
			c.work.shape.ServerTime.Add(int64(c.work.took))
		}
	}
	if c.owed.len() == 0 {
		c.work.shape = nil
	}
	if c.status == pgwire.TxIdle {
		if !ours {
			lane.TransactionTime.Add(int64(now - c.work.transaction))
		}
		c.work.transaction = 0
	}
	if c.work.since = now; c.work.transaction == 0 && c.owed.len() > 0 {
		c.work.transaction = now
	}
}
