package session

import (
	"strings"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache/classify"
	"overdrive/querycache/verdict"
)

// This file answers the statements that are about the proxy itself, in both protocols, without a server.

// ownPrefix stands before the names of what can be asked.
const ownPrefix = "overdrive."

// Names of what can be asked. The last two can be set.
const (
	ownStatus = "status"
	ownReason = "reason"
	ownPinned = "pinned"
	ownCache  = "cache"
	ownMaxAge = "max_age"
)

// cacheWishes are what a client has told of the cache, and what it may ask of its last statement.
type cacheWishes struct {
	off      bool           // SET overdrive.cache = off
	localOff bool           // SET LOCAL overdrive.cache = off
	last     statusIndex    // of the last statement
	values   uint8          // of the statement that a server was sent last, see repeats.go
	shape    uint32         // the same
	maxAge   *time.Duration // SET overdrive.max_age
	why      string         // a sentence about last
}

// value answers SHOW. ok is false for a name that does not exist.
func (s *Session) value(name string) (v string, ok bool) {
	switch name {
	case ownStatus:
		return string(statuses[s.cache.last]), true
	case ownReason:
		return s.cache.why, true
	case ownPinned:
		return s.pinned(), true
	case ownCache:
		if s.cache.off || s.cache.localOff {
			return "off", true
		}
		return "on", true
	case ownMaxAge:
		if s.cache.maxAge == nil {
			return "", true
		}
		return s.cache.maxAge.String(), true
	}
	return "", false
}

// perform runs an own statement and returns its reply without RowDescription, or an error.
func (s *Session) perform(o *verdict.Own) ([]byte, *pgwire.ErrorReport) {
	if o.Verb == "show" {
		v, ok := s.value(o.Name)
		if !ok {
			return nil, unknownOwn(o.Name)
		}
		return pgwire.AppendString(pgwire.AppendTextValue(nil, v), pgwire.CommandComplete, "SHOW"), nil
	}
	set, err := ownSetting(o)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Verb != "set local":
		set(s)
	case o.Name == ownCache && s.status() != pgwire.TxIdle: // outside of a transaction it has no effect, as in PostgreSQL
		s.cache.localOff = o.Value == "off"
	}
	tag, _, _ := strings.Cut(strings.ToUpper(o.Verb), " ")
	return pgwire.AppendString(nil, pgwire.CommandComplete, tag), nil
}

// answerOwnQuery answers an own statement that came as a simple Query.
func (s *Session) answerOwnQuery(o *verdict.Own) {
	var b []byte
	reply, report := s.perform(o)
	switch {
	case report != nil:
		b = s.errorOf(*report)
	case o.Verb == "show":
		b = pgwire.AppendTextColumns(nil, []string{ownPrefix + o.Name})
	}
	s.answerQuery(append(b, reply...))
}

// parseOwn prepares an own statement.
func (s *Session) parseOwn(name string, st *statement) bool {
	s.batch.open = true
	if name == "" {
		s.names.unnamed = st
	} else {
		s.remember(name, st)
	}
	switch e := s.answer(parseComplete, owedParse); {
	case e != nil:
		e.statement, e.name, e.unnamed = st, name, name == ""
	case name == "":
		s.names.sure = st
	}
	return true
}

// describeOwn describes an own statement or a portal that runs one.
func (s *Session) describeOwn(v *classify.Verdict, what pgwire.Target) {
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
func (s *Session) executeOwn(o *verdict.Own) {
	s.noteOwn()
	reply, report := s.perform(o)
	if report != nil {
		reply = s.errorOf(*report)
		s.batch.skips = true
	}
	s.answer(reply, owedExecute)
}
