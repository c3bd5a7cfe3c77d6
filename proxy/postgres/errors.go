package postgres

import (
	"errors"
	"fmt"
	"net"
	"time"

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

// refusalError ends an admission with words for the client.
type refusalError struct{ code, message string }

func refuse(code, format string, args ...any) error {
	return &refusalError{code, fmt.Sprintf(format, args...)}
}

// partLimit bounds the wait for room for the words of a refusal.
const partLimit = 10 * time.Millisecond

// Part writes the words of a refusal, if there is room for them without waiting: see proxy.Protocol.
func (p *Proxy) Part(nc net.Conn, why error) {
	p.countRefusal(why)
	if words := farewell(why); words != nil {
		_ = nc.SetWriteDeadline(time.Now().Add(partLimit))
		_, _ = nc.Write(words)
	}
	nc.Close()
}

// farewell returns the words of a refusal, if an error is one.
func farewell(why error) []byte {
	var refusal *refusalError
	var full *proxy.FullError
	report := pgwire.ErrorReport{Severity: "FATAL"}
	switch {
	case errors.As(why, &refusal):
		report.Code, report.Message = refusal.code, refusal.message
	case errors.As(why, &full):
		report.Code, report.Message = pgwire.CodeTooManyConnections, full.Message
	case errors.Is(why, proxy.ErrShutdown):
		report.Code, report.Message = pgwire.CodeAdminShutdown, why.Error()
	default:
		return nil
	}
	return pgwire.AppendError(nil, report)
}

func (e *refusalError) Error() string { return e.message }
