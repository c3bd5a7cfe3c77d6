package postgres

import (
	"errors"
	"slices"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
)

// refusalWords say why a client was not let in. Names that clients make up are not among them.
var refusalWords = []string{
	refusedFull, refusedPassword, refusedDatabase, refusedUser, refusedProtocol, refusedSettings, refusedShutdown, refusedLost, refusedOther,
}

const (
	refusedFull     = "too many clients"
	refusedPassword = "password"
	refusedDatabase = "no such database"
	refusedUser     = "not permitted"
	refusedProtocol = "protocol"
	refusedSettings = "settings"
	refusedShutdown = "shutdown"
	refusedLost     = "connection lost" // or it was silent for too long, or its TLS failed
	refusedOther    = "other"
)

// refusalWord is the word for the error that ended an admission.
func refusalWord(why error) string {
	var refusal *refusalError
	var full *proxy.FullError
	switch {
	case errors.As(why, &full):
		return refusedFull
	case !errors.As(why, &refusal):
		return refusedLost
	}
	switch refusal.code {
	case pgwire.CodeTooManyConnections:
		return refusedFull
	case pgwire.CodeInvalidPassword:
		return refusedPassword
	case pgwire.CodeInvalidCatalogName:
		return refusedDatabase
	case pgwire.CodeInvalidAuthorization:
		return refusedUser
	case pgwire.CodeProtocolViolation, pgwire.CodeFeatureNotSupported:
		return refusedProtocol
	case pgwire.CodeInvalidParameter, pgwire.CodeConfigurationLimit:
		return refusedSettings
	case pgwire.CodeAdminShutdown:
		return refusedShutdown
	}
	return refusedOther
}

// countRefusal counts a client that was not let in.
func (p *Proxy) countRefusal(why error) { p.refusals.Add(slices.Index(refusalWords, refusalWord(why))) }
