package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"syscall"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// ServerError is an ErrorResponse (protocol documentation, "Error and Notice Message Fields"). The text is the server's.
type ServerError struct {
	Severity string // not localized if the server says so; "FATAL" if it does not say
	Code     string // SQLSTATE; "XX000" if the server sent none of five characters
	Message  string
	Detail   string
	Hint     string

	Fields map[byte]string // all fields as they came
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Severity, e.Message, e.Code)
}

// parseServerError reads what it can: fields may be missing, and the list may end early.
func parseServerError(body []byte) *ServerError {
	fields := make(map[byte]string)
	for len(body) > 0 && body[0] != 0 {
		value, rest, ok := pgwire.CutString(body[1:])
		if !ok {
			break
		}
		fields[body[0]], body = string(value), rest
	}
	e := &ServerError{Severity: fields['V'], Code: fields['C'], Message: fields['M'], Detail: fields['D'], Hint: fields['H'],
		Fields: fields}
	if e.Severity == "" {
		e.Severity = fields['S']
	}
	if e.Severity == "" {
		e.Severity = "FATAL"
	}
	if len(e.Code) != 5 {
		e.Code = "XX000"
	}
	if e.Message == "" {
		e.Message = "server refused the login without giving a reason"
	}
	return e
}

// class is the first two characters of the SQLSTATE, which name the kind of error.
func (e *ServerError) class() string {
	return e.Code[:min(2, len(e.Code))]
}

// passing reports an error that the server means to be over soon: too few resources (class 53), starting up or shutting
// down (57P01 to 57P03), or trouble with its own machinery (58).
func (e *ServerError) passing() bool {
	switch e.class() {
	case "53", "58":
		return true
	default:
		return e.Code == "57P01" || e.Code == "57P02" || e.Code == "57P03"
	}
}

var (
	// errNoTLS says that the server has no TLS and sslmode insists on it.
	errNoTLS = errors.New("server does not offer TLS and sslmode requires it")
	// errTarget says that the Target cannot work as it is: a certificate file is missing, a parameter is impossible.
	errTarget = errors.New("upstream configuration")
	// errHandshake says that the TLS handshake failed.
	errHandshake = errors.New("TLS handshake")
)

// bothError holds the errors of two kinds of connection that were tried one after the other.
type bothError struct {
	first, second error
}

func (e *bothError) Error() string {
	return fmt.Sprintf("%v; before that: %v", e.second, e.first)
}

func (e *bothError) Unwrap() []error { return []error{e.second, e.first} }

// Permanent reports whether an error of Connect or Cancel will stay until somebody changes the configuration, the
// password, the certificate or the server's settings, so that trying again after a while is of no use. An error it does
// not know is not permanent.
func Permanent(err error) bool {
	var both *bothError
	var server *ServerError
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE): // even if it was a certificate that could not be read
		return false
	case errors.As(err, &both):
		return Permanent(both.first) && Permanent(both.second)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return false
	case errors.As(err, &server):
		return permanentClass(server.class())
	case errors.Is(err, pgauth.ErrUnsupported), errors.Is(err, pgauth.ErrPassword), errors.Is(err, pgauth.ErrMethod):
		return true
	default:
		return errors.Is(err, errNoTLS) || errors.Is(err, errTarget) || isVerification(err)
	}
}

// permanentClass knows the classes of a login that somebody has to repair: wrong values (22), authorization (28), no such
// database (3D), no such setting or no privilege (42), a protocol the server does not speak (0A).
func permanentClass(class string) bool {
	switch class {
	case "0A", "22", "28", "3D", "42":
		return true
	default:
		return false
	}
}

// isVerification reports whether the server's certificate was found wanting.
func isVerification(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}
