package proxy

import (
	"errors"

	"overdrive/pool"
	"overdrive/proxy/pgwire"
	"overdrive/proxy/upstream"
)

// SQLSTATEs of the errors that the proxy raises itself (appendix "PostgreSQL Error Codes").
const (
	codeProtocolViolation    = "08P01"
	codeConnectionFailure    = "08006"
	codeCannotConnect        = "08001"
	codeFeatureNotSupported  = "0A000"
	codeInvalidParameter     = "22023"
	codeInvalidAuthorization = "28000"
	codeInvalidPassword      = "28P01"
	codeInvalidCatalogName   = "3D000"
	codeUndefinedObject      = "42704"
	codeInvalidStatementName = "26000"
	codeNameTooLong          = "42622"
	codeTooManyConnections   = "53300"
	codeConfigurationLimit   = "53400"
	codeQueryCanceled        = "57014"
	codeAdminShutdown        = "57P01"
	codeInternal             = "XX000"
)

// A reason says why a session ended. Log level, log word and counter derive from it.
type reason uint8

const (
	reasonClientClosed   reason = iota // it said goodbye, or closed its socket
	reasonClientLost                   // its socket failed
	reasonClientProtocol               // it broke the protocol or a limit
	reasonSettings                     // the server refused its settings
	reasonNoServer                     // none came within the time, or ever will
	reasonServerLost                   // its server connection broke
	reasonShutdown                     // the proxy is stopping
	reasonPanic                        // a fault of ours, contained
)

func (r reason) String() string {
	switch r {
	case reasonClientClosed:
		return "client closed"
	case reasonClientLost:
		return "client lost"
	case reasonClientProtocol:
		return "client broke the protocol"
	case reasonSettings:
		return "settings refused"
	case reasonNoServer:
		return "no server connection"
	case reasonServerLost:
		return "server connection lost"
	case reasonShutdown:
		return "shutdown"
	case reasonPanic:
		return "internal error"
	}
	return "unknown"
}

// errCanceled refuses a client that cancelled its query while it waited for a server.
var errCanceled = errors.New("canceling statement due to user request")

// errShutdown refuses whoever waits when the proxy stops.
var errShutdown = errors.New("the proxy is shutting down")

// reportOf turns the error of an acquire into what the client reads. A server's own words are passed on as they are.
func reportOf(err error) pgwire.ErrorReport {
	r := pgwire.ErrorReport{Severity: "FATAL", Code: codeCannotConnect, Message: err.Error()}
	var timeout *pool.WaitTimeoutError
	var server *upstream.ServerError
	switch {
	case errors.As(err, &timeout) && timeout.Open > timeout.Dialing, errors.Is(err, pool.ErrTooManyWaiters):
		r.Code = codeTooManyConnections // there are connections, and all are busy
	case errors.As(err, &server):
		r.Message = server.Message
		if r.Code = server.Code; r.Code == "" {
			r.Code = codeConnectionFailure
		}
	case timeout != nil && timeout.LastDial == nil:
		r.Code = codeTooManyConnections
	case errors.Is(err, errShutdown):
		r.Code = codeAdminShutdown
	case errors.Is(err, errCanceled):
		r.Code = codeQueryCanceled
	}
	return r
}
