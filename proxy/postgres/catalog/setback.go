package catalog

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
)

// This file says when a Keeper looks again after it has failed. Nothing is cached until then, but for what trust.go says.
// The pause doubles with every failure; how long it may become depends on what it is good for.

// A failure is why a look failed.
type failure struct {
	kind failureKind
	error
	trusted  time.Duration // how long the catalogs are still trusted
	patience time.Duration // how long the next look may go on while clients wait; 0: no longer than this one
}

func (f *failure) Unwrap() error { return f.error }

type failureKind uint8

const (
	outage    failureKind = iota // the server is not there, or has hung up: it is back when it is
	shutOut                      // it takes no more connections: each attempt costs it a process, and clients a slot
	forbidden                    // somebody must change the configuration, there or here
	burden                       // what was asked took too long, or was refused
	crowded                      // clients hold every connection of the pool
	brokenOff                    // clients waited too long for the keeper's connection
)

// byClients reports whether it may be clients alone who kept the keeper from its look.
func (k failureKind) byClients() bool { return k == shutOut || k == crowded || k == brokenOff }

// The longest pauses.
const (
	mostRetry    = time.Minute
	outageRetry  = time.Second // while clients are there: the pool tries as often for those who wait
	shutOutRetry = 5 * time.Second
)

// kindOf tells why a look failed. connected says that it had a connection; late, that its time was up.
func kindOf(err error, connected, late bool) failureKind {
	var refusal *upstream.ServerError
	var broken net.Error
	var none *pool.WaitTimeoutError
	switch {
	case !connected && isFull(err):
		return shutOut
	case !connected && errors.As(err, &none) && none.LastDial == nil:
		return crowded
	case !connected && upstream.Permanent(err):
		return forbidden
	case !connected:
		return outage
	case late || errors.As(err, &refusal):
		return burden
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
		return outage
	}
	return burden
}

// retry tells the log of a failure, and returns how long to wait, and what may end that earlier. doubled is the pause by the number
// of failures in a row.
func (k *Keeper) retry(ctx context.Context, err error, doubled time.Duration) (pause time.Duration, signal <-chan struct{}) {
	f := &failure{kind: burden}
	errors.As(err, &f)
	pause, signal = doubled, nil
	switch f.kind {
	case outage:
		if k.given.Company.Present() > 0 {
			pause = min(pause, outageRetry)
		}
		signal = k.back
	case forbidden:
		signal = k.back
	case shutOut: // that others got in does not mean that there is room for one more
		pause = min(pause, shutOutRetry)
	case crowded: // it has waited already, and lost its place
		pause = min(pause, outageRetry)
	case brokenOff: // clients have the connection for as long as the keeper will have it
		pause = min(pause, shutOutRetry)
		if f.patience > 0 {
			pause = min(pause, f.patience)
		}
	case burden:
	}
	outcome := "nothing is cached"
	if f.trusted > 0 {
		pause = min(pause, f.trusted)
		outcome = "what was known is trusted for " + f.trusted.Round(time.Second).String()
	}
	k.log.Log(ctx, k.logLevel(), "catalog could not be read, "+outcome, "db", k.identity.Database,
		"user", k.identity.User, "error", err, "retry_in", pause)
	return pause, signal
}
