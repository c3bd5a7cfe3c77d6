package session

import (
	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
	"overdrive/querycache/verdict"
)

// ownSetting returns what a SET or RESET of one of the proxy's own parameters does. For one transaction, in which nothing is
// served anyway, only SET LOCAL overdrive.cache means anything.
func ownSetting(o *verdict.Own) (set func(*Session), report *pgwire.ErrorReport) {
	value := o.Value
	if o.Verb == "reset" {
		value = ""
	}
	switch o.Name {
	case ownCache:
		if value != "" && value != "on" && value != "off" {
			return nil, invalidOwn("overdrive.cache must be on or off")
		}
		return func(s *Session) { s.cache.off = value == "off" }, nil
	case ownMaxAge:
		if value == "" { // what the configuration says
			return func(s *Session) { s.cache.maxAge = nil }, nil
		}
		age, ok := querycache.ParseAge(value)
		if !ok {
			return nil, invalidOwn("overdrive.max_age must be a duration such as '30s' or '5m', or a number of seconds")
		}
		return func(s *Session) { s.cache.maxAge = &age }, nil
	}
	return nil, unknownOwn(o.Name)
}

func invalidOwn(message string) *pgwire.ErrorReport {
	return &pgwire.ErrorReport{Severity: "ERROR", Code: pgwire.CodeInvalidParameter, Message: message}
}

func unknownOwn(name string) *pgwire.ErrorReport {
	return &pgwire.ErrorReport{Severity: "ERROR", Code: pgwire.CodeUndefinedObject,
		Message: "unrecognized configuration parameter \"" + ownPrefix + name + "\""}
}
