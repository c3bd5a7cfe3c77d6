package session

import (
	"errors"
	"strings"

	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/verdict"
)

// An Entry is what a client's startup packet said.
type Entry struct {
	raw []settings.Setting // until they are known to be valid
	own []func(*Session)   // each gives the session one of the proxy's own parameters
	// ahead is for the client, in front of all that the session has to say.
	ahead []byte
}

// Precede has the session send b, which is its own from now on, in front of all that it has to say.
func (e *Entry) Precede(b []byte) { e.ahead = b }

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

func (e *Entry) giveOwn(s *Session) {
	for _, one := range e.own {
		one(s)
	}
}
