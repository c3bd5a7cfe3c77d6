package pool

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var (
	// ErrTooManyWaiters refuses an Acquire that would queue beyond MaxWaiters.
	ErrTooManyWaiters = errors.New("pool: too many callers wait for a connection")
	// ErrClosed refuses an Acquire of a pool that was closed without a reason.
	ErrClosed = errors.New("pool: closed")
)

// A WaitTimeoutError refuses a waiter that was queued for WaitTimeout. The
// numbers are those of the moment it gave up.
type WaitTimeoutError struct {
	Pool   string        // Options.Name
	Waited time.Duration // since Acquire, or Waiter.Since

	Size, Open, Leased, Resetting, Dialing, Reserved int

	LastDial error // why the last login failed; nil if it succeeded or there was none
}

func (e *WaitTimeoutError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pool %q: no connection became free within %v (size %d, %d open, %d leased",
		e.Pool, e.Waited.Round(time.Millisecond), e.Size, e.Open, e.Leased)
	if e.Resetting > 0 {
		fmt.Fprintf(&b, ", %d resetting", e.Resetting)
	}
	if e.Dialing > 0 {
		fmt.Fprintf(&b, ", %d logging in", e.Dialing)
	}
	if e.Reserved > 0 {
		fmt.Fprintf(&b, ", %d reserved", e.Reserved)
	}
	b.WriteByte(')')
	if e.LastDial != nil {
		fmt.Fprintf(&b, "; the last login failed: %v", e.LastDial)
	}
	return b.String()
}

// Unwrap returns the error of the last login, if it failed.
func (e *WaitTimeoutError) Unwrap() error { return e.LastDial }

// Timeout reports true, as net.Error's does.
func (e *WaitTimeoutError) Timeout() bool { return true }

// A PanicError is a panic of Options.Dial, turned into a failed login.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("pool: dial panicked: %v", e.Value) }

// Unwrap returns the panic's value if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
