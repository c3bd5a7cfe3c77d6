package session

import (
	"errors"
	"strings"

	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/verdict"
)

// An Entry is what a client's startup packet said, and what is left to say to the client of its authentication.
type Entry struct {
	raw   []settings.Setting // until they are known to be valid
	own   []func(*Session)   // each gives the session one of the proxy's own parameters
	proof []byte             // until the session starts
}

// NewEntry makes an entry of the settings of a startup packet, the proxy's own among them.
func NewEntry(all []settings.Setting) (*Entry, error) {
	e := &Entry{}
	for _, it := range all {
		name, own := strings.CutPrefix(it.Key, ownPrefix)
		if !own {
			e.raw = append(e.raw, it)
			continue
		}
		one, report := ownSetting(&verdict.Own{Verb: "set", Name: name, Value: it.Value})
		if report != nil {
			return nil, errors.New(report.Message)
		}
		e.own = append(e.own, one)
	}
	return e, nil
}

// Size is how many settings there are, but for the proxy's own.
func (e *Entry) Size() int { return len(e.raw) }

// Owe has the client told b, the last message of its authentication, when its session starts: in one piece with the greeting where that
// can be given at once, as a server sends it. Some relays hold a second piece back until the first is acknowledged. b is kept until
// then. Call it before Begin.
func (e *Entry) Owe(b []byte) { e.proof = b }

func (e *Entry) giveOwn(s *Session) {
	for _, one := range e.own {
		one(s)
	}
}
