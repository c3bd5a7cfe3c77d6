package notify

import (
	"strings"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
)

// asking is what the listener asks its server. One question is under way at a time; what is asked for meanwhile goes into the next, so
// however many sessions wait for a round, it is one empty query.
type asking struct {
	changed  map[*channel]struct{} // channels that the server may have to be told of
	prepares []order               // that wait for the next question
	rounds   []order               // the same
	urgent   bool                  // there is to be a question, whatever for

	asked   *question // under way; nil: none
	refusal string    // what the server has said to it, if it was an error
	last    time.Time // when a question was sent
	left    time.Time // when somebody has left
}

// A question is one simple query.
type question struct {
	listens, unlistens []*channel
	prepares, rounds   []order
}

// maxChanges bounds the channels that one question is about.
const maxChanges = 2000

// ask sends the next question if there is anything to ask, and none under way.
func (a *attendance) ask() error {
	if a.asked != nil || len(a.changed)+len(a.prepares)+len(a.rounds) == 0 && !a.urgent {
		return nil
	}
	q := &question{rounds: a.rounds}
	var text strings.Builder
	for c := range a.changed {
		if len(q.listens)+len(q.unlistens) == maxChanges {
			break
		}
		delete(a.changed, c)
		switch {
		case len(c.members) == 0 && !c.there:
			delete(a.channels, c.name)
		case len(c.members) == 0:
			q.unlistens = append(q.unlistens, c)
			text.WriteString("UNLISTEN " + quoted(c.name) + ";")
		case !c.there:
			q.listens = append(q.listens, c)
			text.WriteString("LISTEN " + quoted(c.name) + ";")
		}
	}
	if a.rounds = nil; len(a.changed) == 0 { // else not all that they wait for is in this question
		q.prepares, a.prepares = a.prepares, nil
	}
	a.asked, a.refusal, a.urgent, a.last = q, "", false, time.Now()
	a.writes <- pgwire.AppendString(nil, pgwire.Query, text.String()) // there is room: nothing else is being asked
	return nil
}

// quoted is a name as an identifier.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// answered follows the answer to the question.
func (a *attendance) answered() {
	q := a.asked
	if q == nil {
		return
	}
	a.asked = nil
	for _, c := range q.listens {
		if c.there = a.refusal == ""; !c.there && len(c.members) == 0 {
			a.changed[c] = struct{}{}
		}
	}
	for _, c := range q.unlistens {
		switch c.there = a.refusal != ""; {
		case len(c.members) > 0 && !c.there: // somebody has come meanwhile
			a.changed[c] = struct{}{}
		case len(c.members) == 0 && !c.there:
			delete(a.channels, c.name)
		}
	}
	for _, o := range q.prepares {
		a.prepared(o)
	}
	for _, o := range q.rounds {
		if !o.from.silent {
			o.from.tell(session.Heard{Kind: session.Passed, Number: o.number})
		}
	}
}

// prepared tells a session what became of its channels.
func (a *attendance) prepared(o order) {
	s := o.from
	if s.silent {
		return
	}
	if a.refusal == "" {
		again := false
		for _, name := range o.channels {
			c := a.channels[name]
			if c == nil { // the session has parted from it since
				s.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: "not wanted any more"})
				return
			}
			if !c.there { // it came while the server was told that nobody listens
				a.changed[c], again = struct{}{}, true
			}
		}
		if again {
			a.prepares = append(a.prepares, o)
		} else {
			s.tell(session.Heard{Kind: session.Prepared, Number: o.number})
		}
		return
	}
	for _, name := range o.channels {
		if c := a.channels[name]; c != nil && !c.there && !c.members[s] {
			a.part(s, c)
		}
	}
	s.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: a.refusal})
}
