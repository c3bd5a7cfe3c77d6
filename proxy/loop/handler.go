package loop

import (
	"fmt"
	"runtime/debug"
)

// Handler hears what happens to a Conn. All calls are on the Conn's loop, one at a time, never one inside another.
// A panic in a handler is contained: the Conn is closed, and OnError is told of a *PanicError.
type Handler interface {
	// OnData brings bytes in the order they were sent. b is borrowed: it is valid until return, and may be handed to
	// Conn.Write meanwhile.
	OnData(b []byte)

	// OnEOF says that the peer closed its sending side; over TLS, that it did so between two records, with
	// close_notify or without. No OnData follows. The Conn stays writable until it is closed.
	OnEOF()

	// OnDrained says that Pending is back at zero after Congested had been true. Once for each such spell.
	OnDrained()

	// OnError says that reading or writing failed, that the peer reset the connection, or that a callback panicked.
	// The Conn is already closed. It is called at most once, as the last callback, and never after Close.
	OnError(err error)
}

// PanicError is a panic that was kept from killing the loop.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("loop: callback panicked: %v", e.Value) }

// callback names a method of Handler.
type callback uint8

const (
	onData callback = iota
	onEOF
	onDrained
	onError
)

// call makes one callback. What it wrote is flushed by settle, which the caller owes.
func (l *Loop) call(c *Conn, cb callback, b []byte, err error) {
	if cb == onError && c.flags&flagClosing != 0 {
		return // closed by its owner before it could be told
	}
	id := c.id
	defer func() {
		if v := recover(); v != nil {
			l.handlerPanicked(c, id, cb, v)
		}
	}()
	switch cb {
	case onData:
		c.handler.OnData(b)
	case onEOF:
		c.handler.OnEOF()
	case onDrained:
		c.handler.OnDrained()
	case onError:
		c.flags |= flagClosing // nothing is told after this
		c.handler.OnError(err)
	}
}

// handlerPanicked contains a panic of c's handler. c may have left this loop before the panic: then it is not ours to
// close.
func (l *Loop) handlerPanicked(c *Conn, id uint64, cb callback, value any) {
	err := l.panicked(value)
	if cb != onError && l.table.get(id) == c {
		l.fail(c, err)
	}
}

// run calls a posted function or a timer.
func (l *Loop) run(f func()) {
	defer func() {
		if v := recover(); v != nil {
			l.panicked(v)
		}
	}()
	f()
}

// panicked tells Options.Panicked.
func (l *Loop) panicked(value any) *PanicError {
	err := &PanicError{Value: value, Stack: debug.Stack()}
	if l.o.Panicked != nil {
		func() {
			defer func() { _ = recover() }()
			l.o.Panicked(err)
		}()
	}
	return err
}
