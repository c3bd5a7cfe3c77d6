package session

import (
	"fmt"
	"strings"
)

// A testEar is a session's place at the listener of a stage. It notes what it is asked for, and the test says what comes of it.
type testEar struct {
	stage    *stage
	session  *Session
	closed   bool
	prepares uint64
	rounds   uint64
}

// subscribe returns a place at the stage's listener, or nil if it has none.
func (st *stage) subscribe(s *Session) Subscription {
	if !st.listener {
		return nil
	}
	return &testEar{stage: st, session: s}
}

func (e *testEar) note(format string, args ...any) {
	if e.closed {
		e.stage.fail("the listener is asked for something after Close: "+format, args...)
	}
	e.stage.orders = append(e.stage.orders, fmt.Sprintf(format, args...))
}

func (e *testEar) Channel() string { return NoticeChannelPrefix + "test" }

func (e *testEar) Marker() string {
	e.stage.markers++
	return fmt.Sprint("m", e.stage.markers)
}

func (e *testEar) Prepare(number uint64, channels []string) {
	e.note("prepare %s", strings.Join(channels, " "))
	e.prepares = number
}

func (e *testEar) TurnOn(marker string, channels []string) {
	e.note("turn on %s %s", marker, strings.Join(channels, " "))
}

func (e *testEar) TurnOff(marker string) { e.note("turn off %s", marker) }

func (e *testEar) Forget(marker string) { e.note("forget %s", marker) }

func (e *testEar) Round(number uint64) {
	e.note("round")
	e.rounds = number
}

func (e *testEar) Close() {
	e.note("close")
	e.closed = true
}

// hears has the listener tell a client's session something, in an event of its own.
func (st *stage) hears(c *testClient, a arguments) {
	if c.session.hears == nil || c.session.hears.sub == nil {
		st.fail("%s has no place at the listener", c.name)
		return
	}
	e := c.session.hears.sub.(*testEar)
	var h Heard
	switch a.text(1) {
	case "prepared":
		h = Heard{Kind: Prepared, Number: e.prepares}
	case "refused":
		h = Heard{Kind: Refused, Number: e.prepares}
	case "turned":
		h = Heard{Kind: Turned, Text: a.text(2)}
	case "passed":
		h = Heard{Kind: Passed, Number: e.rounds}
	case "lost":
		h = Heard{Kind: Unheard}
	case "overrun":
		h = Heard{Kind: Overrun}
	case "note":
		h = Heard{Kind: Notified, PID: uint32(a.number(4)), Sender: uint32(a.number(5)), Tail: []byte(a.text(2) + "\x00" + a.text(3) + "\x00")}
	default:
		st.fail("no listener says %q", a.text(1))
	}
	st.event(func() { c.session.Hear(e, []Heard{h}) })
}
