package notify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

// An attendance is a connection that listens, and what is known of who listens by it. It belongs to the goroutine of run.
type attendance struct {
	listener *Listener
	conn     *upstream.Conn
	channels map[string]*channel
	members  map[*Subscriber]struct{}
	turns    map[string]order // by the marker: what changes when that comes
	asking

	received chan message  // from the server
	failed   chan error    // of the goroutines that read and write
	writes   chan []byte   // to the server
	over     chan struct{} // closed when the attendance is over
	clock    *time.Ticker
}

// A message is one of the server's.
type message struct {
	typ  byte
	body []byte
}

// A channel is one that some session listens to, or is about to.
type channel struct {
	name    string
	members map[*Subscriber]bool // whether they hear of it already
	there   bool                 // the server has been told
}

const (
	maxChannels = 20000 // of all sessions
	received    = 256   // messages that are read ahead
	maxMessage  = 64 << 10
)

// How long what may be slow may take.
const (
	askLimit  = 15 * time.Second // for an answer of the server
	quietTime = 30 * time.Second // without a question, after which one is asked to see whether the server is there
	linger    = time.Minute      // without anybody who listens
	tick      = time.Second
	byeLimit  = time.Second
)

func newAttendance(l *Listener, conn *upstream.Conn) *attendance {
	return &attendance{
		listener: l, conn: conn, channels: make(map[string]*channel), members: make(map[*Subscriber]struct{}),
		turns: make(map[string]order), received: make(chan message, received), failed: make(chan error, 2),
		writes: make(chan []byte, 1), over: make(chan struct{}), clock: time.NewTicker(tick), asking: asking{changed: make(map[*channel]struct{}), last: time.Now(), left: time.Now()},
	}
}

// errUnused says that nobody listens any more, and errStopped that the server stops.
var (
	errUnused  = errors.New("nobody listens")
	errStopped = errors.New("the proxy stops")
	errMoved   = errors.New("another server serves the database now")
	errSilent  = errors.New("the server does not answer")
)

// run attends until the end.
func (a *attendance) run() {
	defer close(a.over)
	defer a.clock.Stop()
	l := a.listener
	l.given.Go(a.read)
	l.given.Go(a.write)
	for {
		err := a.turn()
		if err == nil {
			continue
		}
		left, ok := l.done(!errors.Is(err, errUnused))
		if !ok {
			continue
		}
		if errors.Is(err, errUnused) || errors.Is(err, errStopped) {
			select {
			case a.writes <- pgwire.AppendEmpty(nil, pgwire.Terminate):
			default:
			}
		} else {
			a.conn.NC.Close()
			l.given.Logger.Warn("the connection that listens for sessions is lost", "db", l.given.Database, "sessions", len(a.members), "error", err)
		}
		a.lose(left, err)
		return
	}
}

// lose tells everybody that nothing more comes.
func (a *attendance) lose(left []order, err error) {
	unheard := session.Heard{Kind: session.Unheard, Text: err.Error()}
	for _, o := range left {
		if o.kind == prepare && !o.from.known { // who was known is told below
			o.from.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: err.Error()})
		}
	}
	for s := range a.members {
		s.silent = true
		if !errors.Is(err, errStopped) { // who is served is told of that in another way
			s.tell(unheard)
		}
	}
}

// turn sees to what has come. An error ends the attendance.
func (a *attendance) turn() error {
	if err := a.obey(); err != nil {
		return err
	}
	if err := a.ask(); err != nil {
		return err
	}
	select {
	case m := <-a.received:
		// What was ordered before a marker was sent must be known when it comes.
		if err := a.obey(); err != nil {
			return err
		}
		return a.hear(m)
	case err := <-a.failed:
		return err
	case <-a.listener.wake:
	case <-a.clock.C:
		return a.look()
	case <-a.listener.given.Context.Done():
		return errStopped
	}
	return nil
}

// look sees to what has not come.
func (a *attendance) look() error {
	now := time.Now()
	switch {
	case a.asked != nil && now.Sub(a.last) > askLimit:
		return fmt.Errorf("%w for %v", errSilent, askLimit)
	case a.asked == nil && len(a.members) == 0 && now.Sub(a.left) > linger:
		return errUnused
	case a.asked == nil && now.Sub(a.last) > quietTime:
		a.urgent = true
	}
	return nil
}

// obey does what was ordered.
func (a *attendance) obey() error {
	for _, o := range a.listener.take() {
		if o.kind == abandon {
			return errMoved
		}
		s := o.from
		if s.silent {
			continue
		}
		switch o.kind {
		case prepare:
			a.prepare(o)
		case turnOn, turnOff:
			delete(a.turns, s.marker) // one that never came
			a.turns[o.marker], s.marker = o, o.marker
		case forget:
			delete(a.turns, o.marker)
		case round:
			a.rounds = append(a.rounds, o)
		case leave:
			a.leave(s)
		}
	}
	return nil
}

// prepare has the channels be listened to for a session.
func (a *attendance) prepare(o order) {
	s := o.from
	if !s.known {
		s.known, s.set = true, make(map[*channel]struct{})
		a.members[s] = struct{}{}
	}
	if len(a.channels)+len(o.channels) > maxChannels {
		s.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: "too many channels"})
		return
	}
	for _, name := range o.channels {
		c := a.channels[name]
		if c == nil {
			c = &channel{name: name, members: make(map[*Subscriber]bool)}
			a.channels[name] = c
		}
		if _, member := s.set[c]; !member {
			s.set[c], c.members[s] = struct{}{}, false
		}
		if !c.there {
			a.changed[c] = struct{}{}
		}
	}
	a.prepares = append(a.prepares, o)
}

// part takes a session out of a channel.
func (a *attendance) part(s *Subscriber, c *channel) {
	delete(s.set, c)
	delete(c.members, s)
	if len(c.members) == 0 {
		a.changed[c] = struct{}{}
	}
}

// leave takes a session out.
func (a *attendance) leave(s *Subscriber) {
	s.silent = true
	for c := range s.set {
		a.part(s, c)
	}
	delete(a.turns, s.marker)
	delete(a.members, s)
	a.left = time.Now()
}

// hear takes in a message of the server.
func (a *attendance) hear(m message) error {
	switch m.typ {
	case pgwire.NotificationResponse:
		return a.notified(m.body)
	case pgwire.ErrorResponse:
		report := pgwire.ReadError(m.body)
		if report.Fatal() {
			return errors.New(report.Message)
		}
		a.refusal = report.Message
	case pgwire.ReadyForQuery:
		a.answered()
	}
	return nil
}

// notified has everybody hear who listens.
func (a *attendance) notified(body []byte) error {
	const pidLen = 4
	if len(body) < pidLen {
		return fmt.Errorf("NotificationResponse: %w", pgwire.ErrBody)
	}
	tail := body[pidLen:]
	end := bytes.IndexByte(tail, 0)
	if end < 0 || len(tail) < end+2 || bytes.IndexByte(tail[end+1:], 0) != len(tail)-end-2 {
		return fmt.Errorf("NotificationResponse: %w", pgwire.ErrBody)
	}
	if string(tail[:end]) == a.listener.channel {
		a.marked(string(tail[end+1 : len(tail)-1]))
		return nil
	}
	c := a.channels[string(tail[:end])]
	if c == nil {
		return nil
	}
	e := session.Heard{Kind: session.Notified, PID: binary.BigEndian.Uint32(body), Tail: tail}
	e.Sender = a.listener.given.Sender(e.PID)
	for s, hears := range c.members {
		if hears {
			s.tell(e)
		}
	}
	return nil
}

// marked does what was to be done when the marker comes.
func (a *attendance) marked(marker string) {
	o, ok := a.turns[marker]
	if !ok || o.from.silent {
		delete(a.turns, marker)
		return
	}
	delete(a.turns, marker)
	s := o.from
	hears := make(map[string]bool, len(o.channels))
	for _, name := range o.channels {
		hears[name] = true
	}
	for c := range s.set {
		switch {
		case o.kind == turnOff:
			c.members[s] = false
		case hears[c.name]:
			c.members[s] = true
		default:
			a.part(s, c)
		}
	}
	s.tell(session.Heard{Kind: session.Turned, Text: marker})
}

// read has the goroutine of run hear what the server says.
func (a *attendance) read() {
	for {
		typ, body, err := a.conn.Receive(maxMessage)
		if err != nil {
			a.failed <- err
			return
		}
		select {
		case a.received <- message{typ, body}:
		case <-a.over:
			return
		}
	}
}

// write writes what the goroutine of run has to say.
func (a *attendance) write() {
	for {
		select {
		case b := <-a.writes:
			_ = a.conn.NC.SetWriteDeadline(time.Now().Add(askLimit))
			if _, err := a.conn.NC.Write(b); err != nil {
				a.failed <- err
				return
			}
			if b[0] == pgwire.Terminate {
				a.conn.NC.Close()
				return
			}
		case <-a.over:
			select {
			case b := <-a.writes: // a goodbye
				_ = a.conn.NC.SetWriteDeadline(time.Now().Add(byeLimit))
				_, _ = a.conn.NC.Write(b)
			default:
			}
			a.conn.NC.Close()
			return
		}
	}
}
