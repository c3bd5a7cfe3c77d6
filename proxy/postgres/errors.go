package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
)

// reportOf turns the error of an acquire at a database into what the client reads. A server's own words are passed on as they are, unless it has
// refused the login of ours, the user that the database's target names: the client has proved to us who it is, and would take a wrong password of
// ours for its own. Without such a user the login, and its refusal, is the client's.
func reportOf(err error, database, ours string) pgwire.ErrorReport {
	r := pgwire.ErrorReport{Severity: "FATAL", Code: pgwire.CodeCannotConnect, Message: err.Error()}
	var timeout *pool.WaitTimeoutError
	var server *upstream.ServerError
	switch {
	case errors.As(err, &timeout) && timeout.Open > timeout.Dialing, errors.Is(err, pool.ErrTooManyWaiters):
		r.Code = pgwire.CodeTooManyConnections // there are connections, and all are busy
	case proxy.OutOfDescriptors(err):
		r.Code = pgwire.CodeTooManyConnections
	case errors.As(err, &server) && ours != "" && refusesLogin(server.Code):
		r.Code = pgwire.CodeConnectionFailure
		r.Message = fmt.Sprintf("the proxy's own login at the server of database %q, as %q, was refused: %s (SQLSTATE %s)",
			database, ours, server.Message, server.Code)
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

// refusesLogin says whether an SQLSTATE is of class 28, invalid authorization: a wrong password, or a user that may not come from here.
func refusesLogin(code string) bool { return strings.HasPrefix(code, "28") }

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
