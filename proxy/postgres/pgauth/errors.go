package pgauth

import (
	"errors"
	"fmt"
)

// The ways in which an exchange or a login can fail, besides ErrMethod; test with errors.Is.
var (
	// ErrPassword says that the peer did not prove knowledge of the secret, or that we have none to prove with
	// (SQLSTATE 28P01). Towards clients it is the same value whatever the cause.
	ErrPassword = errors.New("password authentication failed")

	// ErrProtocol says that the peer sent something malformed, oversized or out of turn (SQLSTATE 08P01).
	ErrProtocol = errors.New("authentication protocol violation")

	// ErrUnsupported says that the peer asked for something correct that this package does not do, or that the kind of
	// secret at hand cannot do (SQLSTATE 0A000).
	ErrUnsupported = errors.New("unsupported authentication")
)

// violation is an ErrProtocol with what was wrong. The text never quotes the peer's bytes.
func violation(what string) error {
	return fmt.Errorf("%w: %s", ErrProtocol, what)
}
