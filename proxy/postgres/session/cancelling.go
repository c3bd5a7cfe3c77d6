package session

import (
	"encoding/binary"
	"fmt"
)

// This file is about cancel requests: what one means for a session, and that a server connection is not used for anybody else while
// one is on its way to its server.

// A CancelKey is what BackendKeyData gave a client, and what its CancelRequest must bring. It is ours: no client ever
// learns the key of a server connection, which serves others a moment later.
type CancelKey struct {
	PID    uint32
	Secret uint32
}

// Bytes is the key as BackendKeyData and CancelRequest have it.
func (k CancelKey) Bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, k.PID), k.Secret)
}

// A cancellation is why a message that waits will not be sent.
type cancellation uint8

const (
	notCancelled cancellation = iota
	byClient                  // the client cancelled its query
	byTimeout                 // the message has waited for longer than the client allows
)

// words are PostgreSQL's.
func (c cancellation) words() string {
	if c == byTimeout {
		return "canceling statement due to statement timeout"
	}
	return "canceling statement due to user request"
}

// cancel has the server stop what it does. done is called, on any goroutine, when it has been told.
func (c *ServerConn) cancel(done func()) {
	if c.cancelling.underWay > 0 || c.PID == 0 {
		done()
		return
	}
	c.cancelling.underWay++
	c.driver.Cancel(done)
}

// release gives the connection, which is clean, back to the pool. One that a cancel request is on its way to is kept back until the
// request has had its effect: it must not hit the next client's query.
func (c *ServerConn) release() {
	c.holder = nil
	c.marks.drop() // there are none
	c.peer.ResumeRead()
	if c.cancelling.underWay > 0 {
		c.cancelling.afterward = c.driver.Release
		return
	}
	c.driver.Release()
}

// Cancelled is the driver's call: a cancel request for c is over. After one that failed half-way nobody knows whether it will still
// take effect, so the connection is not used again.
func (c *ServerConn) Cancelled(err error) {
	c.space.scratch.reset()
	c.cancelling.underWay--
	if c.gone {
		return
	}
	if err != nil {
		c.trouble.doubtful = true
	}
	f := c.cancelling.afterward
	switch {
	case f == nil:
	case err != nil: // with afterward still set, so that it counts as held
		c.fail(fmt.Errorf("cancel request: %w", err))
	default:
		c.cancelling.afterward = nil
		f()
	}
}
