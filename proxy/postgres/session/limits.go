package session

import "sync/atomic"

// Limits bound what a session may take. They may change at any time; all identities of a proxy have the same.
type Limits struct {
	message, prepared atomic.Int64
}

// Set changes the limits, both in bytes: of one message, and of the statements that one client may keep.
func (l *Limits) Set(message, prepared int) {
	l.message.Store(int64(message))
	l.prepared.Store(int64(prepared))
}

// Message and Prepared are the limits now.
func (l *Limits) Message() int { return int(l.message.Load()) }

func (l *Limits) Prepared() int { return int(l.prepared.Load()) }
