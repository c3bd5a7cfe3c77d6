package proxy

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("proxy: server closed")

// ErrShutdown refuses whoever waits when the server stops.
var ErrShutdown = errors.New("the proxy is shutting down")

// ErrNoDescriptor refuses a client, or a login at a server, for want of a file descriptor.
var ErrNoDescriptor = full("sorry, too many clients already: the proxy has no file descriptor left")

// A FullError refuses a client for whom there is no room. Its text is for the client.
type FullError struct{ Message string }

func (e *FullError) Error() string { return e.Message }

func full(format string, args ...any) error { return &FullError{fmt.Sprintf(format, args...)} }

// OutOfDescriptors reports whether an error is that the process, or the system, has no file descriptor left.
func OutOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
