package postgres

import (
	"errors"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
)

// reportOf turns the error of an acquire into what the client reads. A server's own words are passed on as they are.
func reportOf(err error) pgwire.ErrorReport {
	r := pgwire.ErrorReport{Severity: "FATAL", Code: pgwire.CodeCannotConnect, Message: err.Error()}
	var timeout *pool.WaitTimeoutError
	var server *upstream.ServerError
	switch {
	case errors.As(err, &timeout) && timeout.Open > timeout.Dialing, errors.Is(err, pool.ErrTooManyWaiters):
		r.Code = pgwire.CodeTooManyConnections // there are connections, and all are busy
	case proxy.OutOfDescriptors(err):
		r.Code = pgwire.CodeTooManyConnections
	case errors.As(err, &server):
		r.Message = server.Message
		if r.Code = server.Code; r.Code == "" {
			r.Code = pgwire.CodeConnectionFailure
		}
	case timeout != nil && timeout.LastDial == nil:
		r.Code = pgwire.CodeTooManyConnections
	case errors.Is(err, proxy.ErrShutdown):
		r.Code = pgwire.CodeAdminShutdown
	}
	return r
}
