package session

import "overdrive/proxy/postgres/pgwire"

// A holder has a server connection to itself: a session that leased it, or a cleaner that resets it. All calls come while
// bytes of the server are being walked.
type holder interface {
	// toClient passes on replies; b is borrowed.
	toClient(b []byte)
	// pay passes on a reply of ours, whose bytes never change.
	pay(b []byte)
	// undone tells that a reply will never come: the message failed, or an error made the server skip it.
	undone(e *owed, failed bool)
	// learned gives the values of a row that was asked for; they are borrowed.
	learned(values [][]byte)
	// tooLarge tells that the answer at hand is larger than is kept.
	tooLarge()
	// completed gives the command tag of a CommandComplete before it is passed on, or nil for a PortalSuspended: what the
	// statement wrote so far stays.
	completed(tag []byte)
	// failed gives an error of the server before it is passed on, and the reply it came into, nil if none was owed.
	failed(r pgwire.ErrorReport, e *owed)
	// parameter tells of a ParameterStatus and decides whether the client sees it.
	parameter(name, value string, injected bool) (pass bool)
	// notified tells of a notification, whose tail is borrowed, and decides what the client sees.
	notified(pid uint32, tail []byte) []byte
	// news gives what the client is to be told of notifications, ahead of a ReadyForQuery that leaves no transaction open.
	news() []byte
	// untold gives what the client is to be told of its parameters, ahead of one behind which nothing is to come.
	untold() []byte
	// mustHear decides whether such a ReadyForQuery is put off. goOn ends that.
	mustHear() bool
	// settled tells that e was answered; a ReadyForQuery is told by ready alone.
	settled(e *owed)
	// skipped tells that all that an error made the server skip is undone.
	skipped()
	// reopened tells that the server read the last Sync in copy mode and ignored it: the batch is still open.
	reopened()
	// ready tells that e, the end of a batch, was answered, before the answer is passed on.
	ready(e *owed)
	// drained tells that the server has read what was congested.
	drained()
	// walked tells that the bytes at hand are dealt with: the time to release, refill or give up.
	walked()
	// lost tells that the connection is gone. It is no longer the holder's.
	lost(err error)
}
