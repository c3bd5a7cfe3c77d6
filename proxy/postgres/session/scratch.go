package session

import "overdrive/proxy/postgres/pgwire"

// scratch holds the messages that the proxy itself makes during one event, so that none of them costs an allocation.
// A socket borrows what it is given until the event ends; so messages are put one behind the other, and the buffer is
// used anew only from the next event on. One scratch serves all sessions of a loop.
type scratch struct {
	buf []byte
}

// maxScratch bounds the memory that is kept between events.
const maxScratch = 64 << 10

// reset begins an event.
func (s *scratch) reset() {
	if cap(s.buf) > maxScratch {
		s.buf = nil
	}
	s.buf = s.buf[:0]
}

// made returns what was appended since start, shielded from later appends.
func (s *scratch) made(start int) []byte { return s.buf[start:len(s.buf):len(s.buf)] }

func (s *scratch) ready(status pgwire.TxStatus) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendReady(s.buf, status)
	return s.made(start)
}

func (s *scratch) empty(typ byte) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendEmpty(s.buf, typ)
	return s.made(start)
}

func (s *scratch) text(typ byte, text string) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendString(s.buf, typ, text)
	return s.made(start)
}

func (s *scratch) parse(name string, rest []byte) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendParse(s.buf, name, rest)
	return s.made(start)
}

func (s *scratch) target(typ byte, what pgwire.Target, name string) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendTarget(s.buf, typ, what, name)
	return s.made(start)
}

func (s *scratch) bindHead(portal []byte, statement string, rest int) []byte {
	start := len(s.buf)
	s.buf = pgwire.AppendBindHead(s.buf, portal, statement, rest)
	return s.made(start)
}

// add returns what build appends.
func (s *scratch) add(build func(b []byte) []byte) []byte {
	start := len(s.buf)
	s.buf = build(s.buf)
	return s.made(start)
}
