package proxy

import (
	"strings"

	"overdrive/proxy/pgwire"
	"overdrive/querycache/classify"
)

// This file answers the statements that are about the proxy itself, in both protocols, without a server.

// ownPrefix stands before the names of what can be asked.
const ownPrefix = "overdrive."

// Names of what can be asked.
const (
	ownStatus = "status"
	ownPinned = "pinned"
	ownCache  = "cache"
)

// value answers SHOW. ok is false for a name that does not exist.
func (s *session) value(name string) (v string, ok bool) {
	switch name {
	case ownStatus:
		return string(s.last), true
	case ownPinned:
		return s.pins.String(), true
	case ownCache:
		if s.cacheOff || s.localOff {
			return "off", true
		}
		return "on", true
	}
	return "", false
}

// perform runs an own statement and returns its reply without RowDescription, or an error.
func (s *session) perform(o *classify.Own) ([]byte, *pgwire.ErrorReport) {
	if o.Verb != "show" {
		switch {
		case o.Name != ownCache:
			return nil, unknownOwn(o.Name)
		case o.Verb == "reset" || o.Value == "":
			o = &classify.Own{Verb: o.Verb, Name: o.Name, Value: "on"}
		case o.Value != "on" && o.Value != "off":
			return nil, &pgwire.ErrorReport{Severity: "ERROR", Code: codeInvalidParameter,
				Message: "overdrive.cache must be on or off"}
		}
		switch {
		case o.Verb != "set local":
			s.cacheOff = o.Value == "off"
		case s.status() != pgwire.TxIdle: // outside of a transaction it has no effect, as in PostgreSQL
			s.localOff = o.Value == "off"
		}
		tag, _, _ := strings.Cut(strings.ToUpper(o.Verb), " ")
		return pgwire.AppendString(nil, pgwire.CommandComplete, tag), nil
	}
	v, ok := s.value(o.Name)
	if !ok {
		return nil, unknownOwn(o.Name)
	}
	return pgwire.AppendString(pgwire.AppendTextValue(nil, v), pgwire.CommandComplete, "SHOW"), nil
}

func unknownOwn(name string) *pgwire.ErrorReport {
	return &pgwire.ErrorReport{Severity: "ERROR", Code: codeUndefinedObject,
		Message: "unrecognized configuration parameter \"" + ownPrefix + name + "\""}
}

// answerOwnQuery answers an own statement that came as a simple Query.
func (s *session) answerOwnQuery(o *classify.Own) {
	var b []byte
	reply, report := s.perform(o)
	switch {
	case report != nil:
		b = pgwire.AppendError(nil, *report)
	case o.Verb == "show":
		b = pgwire.AppendTextColumns(nil, []string{ownPrefix + o.Name})
	}
	s.answer(append(b, reply...), owedQuery)
}

// parseOwn prepares an own statement.
func (s *session) parseOwn(name string, st *statement) bool {
	s.midBatch = true
	if name == "" {
		s.unnamed = st
	} else {
		s.remember(name, st)
	}
	s.answer(parseComplete, owedParse)
	return true
}

// describeOwn describes an own statement or a portal that runs one.
func (s *session) describeOwn(v *classify.Verdict, what pgwire.Target) {
	var b []byte
	if what == pgwire.Statement {
		b = append(pgwire.AppendHeader(b, pgwire.ParameterDescription, 2), 0, 0)
	}
	if v.Own.Verb == "show" {
		b = pgwire.AppendTextColumns(b, []string{ownPrefix + v.Own.Name})
	} else {
		b = pgwire.AppendEmpty(b, pgwire.NoData)
	}
	s.answer(b, owedDescribe)
}

// executeOwn runs a portal of an own statement.
func (s *session) executeOwn(o *classify.Own) {
	reply, report := s.perform(o)
	if report != nil {
		reply = pgwire.AppendError(nil, *report)
		s.skipToSync = true
	}
	s.answer(reply, owedExecute)
}
