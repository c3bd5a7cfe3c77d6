package session

import (
	"bytes"
	"encoding/hex"
	"time"

	"overdrive/proxy/traffic"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// This file tells of single batches, where somebody wants to know: see traffic.Witness.

// accountBegins begins what is told of the batch at hand, or nothing if nobody wants to know.
func (s *Session) accountBegins() {
	switch {
	case !s.identity.Witness.Awake():
		s.account = nil
	case s.account == nil:
		s.account = &traffic.Testimony{}
	default:
		*s.account = traffic.Testimony{}
	}
}

// accountFor notes what a statement of the batch is.
func (s *Session) accountFor(v *classify.Verdict, text []byte) {
	if s.account == nil {
		return
	}
	s.account.Fingerprint = v.Fingerprint
	if s.identity.Witness.Traces() {
		if p := parentIn(text); !p.IsZero() {
			s.account.Parent = p
		}
	}
}

// accountStatus notes what became of one.
func (s *Session) accountStatus(status querycache.Status) {
	if s.account != nil {
		s.account.Statements++
		s.account.Status = string(status)
	}
}

// accountError notes that the client is told of an error.
func (s *Session) accountError(code string) {
	if s.account != nil {
		s.account.Code = code
	}
}

// accountEnds tells of a batch that began at since.
func (s *Session) accountEnds(since, now instant) {
	t := s.account
	if t == nil {
		return
	}
	t.Session, t.Database, t.User = uint64(s.login.id), s.identity.Database, s.identity.User
	t.Began, t.Took = s.space.time(since), time.Duration(now-since)
	s.identity.Witness.Tell(t)
	*t = traffic.Testimony{}
}

// Where a comment of sqlcommenter's kind is looked for: at either end of a text.
const (
	traceparentKey    = "traceparent='"
	traceparentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	traceparentWithin = 4 << 10
)

// parentIn finds who asks, in a comment such as /*traceparent='00-<trace>-<span>-01'*/ at the end of a text or in front of it. Should that
// stand in a constant instead, it leads to a trace of the client's own all the same.
func parentIn(text []byte) (p traffic.Parent) {
	for _, part := range [...][]byte{text[max(0, len(text)-traceparentWithin):], text[:min(len(text), traceparentWithin)]} {
		_, rest, ok := bytes.Cut(part, []byte(traceparentKey))
		if !ok || len(rest) <= traceparentLength || rest[traceparentLength] != '\'' {
			continue
		}
		fields := bytes.Split(rest[:traceparentLength], []byte{'-'})
		if len(fields) != 4 || len(fields[0]) != 2 || len(fields[1]) != 32 || len(fields[2]) != 16 || string(fields[0]) == "ff" {
			continue
		}
		var flags [1]byte
		_, err := hex.Decode(p.Trace[:], fields[1])
		_, errSpan := hex.Decode(p.Span[:], fields[2])
		_, errFlags := hex.Decode(flags[:], fields[3])
		if err == nil && errSpan == nil && errFlags == nil && !p.IsZero() && p.Span != [8]byte{} {
			p.Sampled = flags[0]&1 != 0
			return p
		}
		p = traffic.Parent{}
	}
	return p
}
