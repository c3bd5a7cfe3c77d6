package session

// This file bounds what a client's names for prepared statements and portals may keep in memory: in bytes, for PostgreSQL
// bounds their memory and not their number.
//
// A client is charged for each name, and for each text behind its names once, also where others use the text too: any of
// them alone keeps it alive, and the others may leave at any time. The memory itself is taken once, see statementTable.

// DefaultMaxPrepared is the most that one client's names for prepared statements, and its portals, may keep.
const DefaultMaxPrepared = 64 << 20

const (
	// nameBytes is what a name costs besides its letters: its place in a map, and the statement that it may be the only
	// one to stand for.
	nameBytes = 288
	// largeText is the size from which a text that several names stand for is charged once. Smaller ones are charged for
	// each name, which is less than it would take to count them.
	largeText = 256
)

// A ledger adds up what the names of one kind keep. The zero value is empty. It belongs to the loop of its session.
type ledger struct {
	bytes int
	large map[*statement]int // how many of the names stand for a large text
}

// textBytes is what a statement's text keeps: itself, and about as much for what is known of it.
func textBytes(st *statement) int {
	if st == nil {
		return 0
	}
	return 2 * len(st.body)
}

// price is what one more name for st, of that many bytes, would cost.
func (l *ledger) price(name int, st *statement) int {
	if text := textBytes(st); text < largeText || l.large[st] == 0 {
		return nameBytes + name + text
	}
	return nameBytes + name
}

func (l *ledger) add(name int, st *statement) {
	l.bytes += l.price(name, st)
	if textBytes(st) < largeText {
		return
	}
	if l.large == nil {
		l.large = make(map[*statement]int)
	}
	l.large[st]++
}

func (l *ledger) remove(name int, st *statement) {
	if textBytes(st) >= largeText {
		if l.large[st]--; l.large[st] == 0 {
			delete(l.large, st)
		}
	}
	l.bytes -= l.price(name, st)
}

// affords says whether the client may have one more name, of those that l adds up.
func (s *Session) affords(l *ledger, name int, st *statement) bool {
	return s.names.keep.bytes+s.names.portals.bytes()+l.price(name, st) <= s.identity.Limits.Prepared()
}

// remember notes the client's name for a statement.
func (s *Session) remember(name string, st *statement) {
	var batch uint64
	if s.srv != nil {
		batch = s.srv.owed.sent
	}
	s.forgetName(name)
	if s.names.known == nil {
		s.names.known = make(map[string]prepared)
	}
	s.names.known[name] = prepared{name, st, batch}
	s.names.keep.add(len(name), st)
}

// forgetName forgets what a name of the client's stands for, if it stands for anything.
func (s *Session) forgetName(name string) {
	p, ok := s.names.known[name]
	if !ok {
		return
	}
	s.names.keep.remove(len(name), p.statement)
	delete(s.names.known, name)
	if len(s.names.known) == 0 { // a map does not shrink
		s.forgetNames()
	}
}

func (s *Session) forgetNames() { s.names.known, s.names.keep = nil, ledger{} }

// portals are those with a name. A nil one has none.
//
// Invariant: keep is what bound keeps in memory.
type portals struct {
	bound map[string]*statement // by the client's names
	keep  ledger
}

func (p *portals) find(name []byte) *statement {
	if p == nil {
		return nil
	}
	return p.bound[string(name)]
}

func (p *portals) bytes() int {
	if p == nil {
		return 0
	}
	return p.keep.bytes
}

// bindPortal notes which statement a portal runs; nil if it is not known. Of a portal beyond what the client may have
// nothing is known either.
func (s *Session) bindPortal(portal []byte, st *statement) {
	if len(portal) == 0 {
		s.names.portal = st
		return
	}
	name := string(portal)
	s.forgetPortal(name)
	if st == nil || len(name) > maxNameBytes {
		return
	}
	if s.names.portals == nil {
		s.names.portals = &portals{bound: make(map[string]*statement)}
	}
	if p := s.names.portals; s.affords(&p.keep, len(name), st) {
		p.bound[name] = st
		p.keep.add(len(name), st)
	}
}

func (s *Session) forgetPortal(name string) {
	if st := s.names.portals.find([]byte(name)); st != nil {
		s.names.portals.keep.remove(len(name), st)
		if delete(s.names.portals.bound, name); len(s.names.portals.bound) == 0 {
			s.names.portals = nil
		}
	}
}

// forgetPortals is for the end of a transaction, which no portal outlives.
func (s *Session) forgetPortals() {
	s.names.portal, s.names.portals = nil, nil
}
