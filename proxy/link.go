package proxy

import (
	"errors"
	"fmt"
	"time"

	"overdrive/proxy/pgwire"
	"overdrive/querycache"
)

// This file is about the bond between a session and its server connection: how it comes about, what must be true
// before the first message goes out, and how it ends.

// link returns a server that is ready for the client's next message, or nil: then the session waits for one, or for its
// settings to be applied, and takes the message up again afterwards.
func (s *session) link() *serverConn {
	if s.srv == nil {
		srv := s.broker.acquire(s)
		if srv == nil {
			s.state = waiting
			return nil
		}
		s.hold(srv)
	}
	if s.want != s.srv.has && !s.applySettings() {
		return nil
	}
	return s.srv
}

// hold makes the session the holder of srv.
func (s *session) hold(srv *serverConn) {
	s.srv, s.applied = srv, nil
	srv.holder = s
}

// applySettings starts to bring the server to the client's settings. true: there is nothing to do, or it cannot be done
// now, since replies are owed or the transaction has failed; what the client changed in between is its own doing then.
func (s *session) applySettings() bool {
	srv := s.srv
	if srv.owed.len() > 0 || srv.owed.open || srv.status == pgwire.TxFailed || srv.has == s.applied {
		return true
	}
	sql := srv.has.change(s.want)
	if sql == "" {
		s.want = srv.has // equal, and from now on the same pointer
		return true
	}
	s.inject(sql)
	s.state = settling
	return false
}

// inject sends a query of ours, whose answer the client does not see.
func (s *session) inject(sql string) {
	s.srv.unnamed = nil
	s.srv.owed.push(owedQuery, skip)
	s.srv.peer.Write(s.worker.scratch.text(pgwire.Query, sql))
}

// granted is the broker's call on the session's loop: srv is leased to it, and on the same loop.
func (s *session) granted(srv *serverConn) {
	s.worker.scratch.reset()
	if s.state == gone { // it left while the grant was under way
		s.broker.release(srv)
		return
	}
	s.hold(srv)
	if s.state == greeting {
		s.tryStartup()
		return
	}
	s.state = ready
	if s.cancelled {
		s.cancelled = false
		s.cancelWait()
	} else {
		s.advance(nil)
	}
	s.settle()
}

// tryAgain is the broker's call on the session's loop: the server that was granted broke on its way.
func (s *session) tryAgain() {
	if s.state == gone {
		return
	}
	if srv := s.broker.acquire(s); srv != nil {
		s.granted(srv)
	}
}

// refused is the broker's call on the session's loop: no server will come.
func (s *session) refused(err error) {
	s.worker.scratch.reset()
	report := reportOf(err)
	s.reject(reasonNoServer, report.Code, report.Message)
}

// settingsApplied notes on both sides what the server has now. What it reports it has told itself, in its own spelling;
// the rest is as it was asked for. In a transaction that may yet be rolled back the rest stays unknown.
func (s *session) settingsApplied() {
	srv := s.srv
	srv.has = s.origin.unreported(srv.has, s.want, srv.status == pgwire.TxIdle)
	if srv.status == pgwire.TxIdle {
		s.want = srv.has
	}
	s.applied = srv.has
}

// maybeRelease gives the server back if nothing ties it to the client any more. Each of the conditions alone is not
// enough: a pipelining client has several Syncs under way, a copying one sends bytes that no reply is owed for.
func (s *session) maybeRelease() {
	srv := s.srv
	if srv == nil || srv.status != pgwire.TxIdle || srv.owed.len() > 0 || srv.left > 0 || srv.copyIn || s.left > 0 ||
		s.midBatch || s.pins != 0 || srv.doubtful || srv.dying || s.state == settling || s.state == greeting ||
		s.origin.mode == SessionPooling {
		return
	}
	if s.copied && srv.peer.Pending() > 0 { // the end of a copy that the server gave up: it will be read, and ignored
		if !s.retrying {
			s.retrying = true
			s.worker.after(releaseRetry, func() { s.retrying = false; s.settle() })
		}
		return
	}
	if len(srv.strays) > 0 {
		if s.state == ready || s.state == leaving {
			s.closeStrays()
		}
		return
	}
	s.srv, s.copied = nil, false
	srv.holder = nil
	s.broker.release(srv)
}

// releaseRetry is how soon a release is tried again that had to wait for the socket.
const releaseRetry = 10 * time.Millisecond

// closeStrays frees the statements that were prepared under a client's name to provoke an error.
func (s *session) closeStrays() {
	srv := s.srv
	for _, name := range srv.strays {
		srv.owed.push(owedClose, skip)
		srv.peer.Write(s.worker.scratch.target(pgwire.Close, pgwire.Statement, name))
	}
	srv.strays = nil
	if s.state == ready { // what comes next waits, since settings are only applied when nothing is owed
		s.state, s.asking = settling, true
	}
	srv.owed.push(owedSync, skip)
	srv.peer.Write(s.worker.scratch.empty(pgwire.Sync))
}

// handBack parts with the server at the end of the session.
func (s *session) handBack() {
	srv, write := s.srv, s.write
	s.srv, s.write = nil, nil
	srv.holder = nil
	srv.abortFills()
	switch {
	case s.left > 0 && !s.leftDrop:
		s.broker.finish(srv, write, amidMessage)
	case srv.copyIn:
		s.broker.finish(srv, write, amidCopy)
	case s.midBatch || srv.discarding:
		s.broker.finish(srv, write, amidBatch)
	case srv.owed.len() > 0 || srv.left > 0 || srv.doubtful:
		s.broker.finish(srv, write, amidReplies)
	case srv.status == pgwire.TxIdle && s.pins == 0 && s.origin.mode != SessionPooling && len(srv.strays) == 0:
		write.end()
		s.broker.release(srv)
	default:
		s.broker.clean(srv, write, s.pins != 0 || s.origin.mode == SessionPooling || len(srv.strays) > 0)
	}
}

// errServerClosed says that the server closed its connection without a word.
var errServerClosed = errors.New("server closed the connection unexpectedly")

// lost is the server connection's call: it is gone, and the session cannot go on without the state it had there. If the
// server gave a reason, the client has it already.
func (s *session) lost(err error) {
	srv := s.srv
	s.srv = nil
	if srv.owed.len() > 0 {
		s.write.abandon() // whether it was committed cannot be known
	} else {
		s.write.end()
	}
	s.write = nil
	if srv.dying || srv.amidReply() {
		s.end(reasonServerLost, err)
		return
	}
	s.reject(reasonServerLost, codeConnectionFailure, fmt.Sprintf("server connection lost: %v", err))
}

// A broker stands between sessions and the pool: it leases server connections, moves them to the session's loop, cleans
// and closes them. All calls come on the loop of the session.
type broker interface {
	// judge has the lens judge a text, which is copied, elsewhere than on the loop, and then calls judged.
	judge(s *session, l *lens, text []byte)
	// refresh has the same asked again that s was just answered with: message. It owns fill.
	refresh(s *session, fill *querycache.Fill, message []byte)
	// misunderstood tells of words in a statement's hint to the cache that mean nothing, and are ignored.
	misunderstood(s *session, words []string)
	// acquire returns a server at once, or nil and a later call of granted or refused.
	acquire(s *session) *serverConn
	// abandon takes a session that waits out of the queue. false: it is too late, and granted or refused will come.
	abandon(s *session) bool
	// cancel has the server stop what it does. done is called, on any goroutine, when it has been told.
	cancel(c *serverConn, done func())
	// release returns a clean connection to the pool.
	release(c *serverConn)
	// clean rolls back what a client left open, resets the session state if asked to, and returns the connection to
	// the pool. write ends with the transaction.
	clean(c *serverConn, write *transaction, reset bool)
	// finish stops the work that a connection still does for a client that is gone, and closes it. write ends when its
	// outcome is known.
	finish(c *serverConn, write *transaction, where amid)
	// ended tells that a session is over.
	ended(s *session, why reason, err error)
}

// amid tells where in the protocol a client vanished, which decides how its server is brought to rest.
type amid uint8

const (
	amidReplies amid = iota // all was sent, answers are still due
	amidBatch               // the Sync is missing
	amidCopy                // the end of the copied data is missing
	amidMessage             // half a message was sent: nothing more can be said on this connection
)
