package session

import (
	"encoding/binary"
	"maps"
	"strconv"
	"strings"

	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// This file is about what a session has on its server besides parameters, as far as the server shows it.

// askStateText tells of its own session to which channels it listens, in the server's bytes with zero bytes between, and whether it has
// temporary objects, cursors that outlive their transaction, session advisory locks, and statements of SQL PREPARE, in the order of
// statePins; behind these, in the order of namedPins, what some of the objects are called. To look at all locks is dear where there are many,
// so that is asked for only where there may be one. It is asked where no transaction is open, so a lock that is there is the session's.
const askStateText = "SELECT (SELECT pg_catalog.string_agg(pg_catalog.convert_to(l.name, pg_catalog.getdatabaseencoding())," +
	" pg_catalog.decode('00', 'hex')) FROM (SELECT c FROM pg_catalog.pg_listening_channels() c LIMIT 1002) l(name))," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_depend d" +
	" WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid" +
	" AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_cursors c WHERE c.is_holdable)," +
	" CASE WHEN $1 THEN EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'" +
	" AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) ELSE false END," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql)," +
	" (SELECT pg_catalog.string_agg(n.name, ', ') FROM (SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c" +
	" WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()" +
	` AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,v,S,p}'::pg_catalog."char"[]) LIMIT 3) n(name)),` +
	" (SELECT pg_catalog.string_agg(n.name, ', ') FROM (SELECT c.name FROM pg_catalog.pg_cursors c WHERE c.is_holdable LIMIT 3) n(name))," +
	" CASE WHEN $1 THEN (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', n.classid, n.objid), ', ') FROM (SELECT l.classid, l.objid" +
	" FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'" +
	" AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() LIMIT 3) n) END"

var parseAskState = parseOf(askStateText, boolType)

// statePins are what the columns of askStateText tell.
var statePins = [...]pinSet{pinListen, pinTemporary, pinHoldCursor, pinAdvisoryLock, pinPrepare}

// namedPins are what the columns behind those name.
var namedPins = [...]pinSet{pinTemporary, pinHoldCursor, pinAdvisoryLock}

// appendAskState adds the question.
func appendAskState(b []byte, locks bool) []byte {
	which := "f"
	if locks {
		which = "t"
	}
	return appendRun(append(b, parseAskState...), argument{text: which})
}

// A listening is what the server says of channels.
type listening struct {
	names  []string // at most maxChannels, or one more
	marked bool     // that of markers is among them, and not in names
}

// shownState is what the row of the answer says.
type shownState struct {
	pins     pinSet
	channels listening
	called   map[pinSet]string // what pins, where that has a name
}

// readState reads the row of the answer. But for the first and the names, a value is one byte. Names are shown as they are, and so only if
// that is the same in all encodings.
func readState(row [][]byte) (st shownState) {
	for name := range strings.SplitSeq(string(row[0]), "\x00") {
		switch {
		case strings.HasPrefix(name, NoticeChannelPrefix):
			st.channels.marked = true
		case name != "":
			st.channels.names = append(st.channels.names, name)
			st.pins |= pinListen
		}
	}
	for i, pin := range statePins {
		if i > 0 && len(row[i]) == 1 && row[i][0] != 0 {
			st.pins |= pin
		}
	}
	for i, pin := range namedPins {
		if name := row[len(statePins)+i]; len(name) > 0 && sqlscan.IsASCII(name) {
			if st.called == nil {
				st.called = make(map[pinSet]string)
			}
			st.called[pin] = string(name)
		}
	}
	return st
}

// takeState takes in what the session has on its server now.
func (s *Session) takeState(left shownState) {
	s.pin(left.pins)
	s.unpin(shownPins &^ (left.pins | pinListen))
	s.takeChannels(left.channels)
	s.view.veiled = left.pins&pinTemporary != 0
	maps.DeleteFunc(s.srv.params.called, func(pin pinSet, _ string) bool { return pin&shownPins != 0 })
	for pin, name := range left.called {
		s.srv.call(pin, name)
	}
	s.srv.params.unasked = false
}

// maxFound and maxFoundBytes bound the statements that are adopted at once, and the text of each.
const (
	maxFound      = 64
	maxFoundBytes = 8 << 10
)

// askPreparedText tells the names, texts and types of parameters of what was prepared by SQL: of one more than can be adopted.
var askPreparedText = "SELECT p.name, CASE WHEN pg_catalog.octet_length(p.statement) OPERATOR(pg_catalog.<=) " +
	strconv.Itoa(maxFoundBytes) + " THEN p.statement END," +
	" pg_catalog.array_to_string(p.parameter_types::pg_catalog.oid[], ' ')" +
	" FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql LIMIT " + strconv.Itoa(maxFound+1)

var askPreparedRun = append(parseOf(askPreparedText), appendRun(nil)...)

// A foundStatement is one of SQL PREPARE that the server has.
type foundStatement struct {
	name string
	body []byte // as the tail of a Parse; nil: it cannot be one
}

// readFound reads a row of the answer.
func readFound(row [][]byte) foundStatement {
	f := foundStatement{name: string(row[0])}
	text, ok := classify.PreparedBody(row[1])
	if !ok || len(f.name) > classify.MaxName {
		return f
	}
	types := strings.Fields(string(row[2]))
	body := binary.BigEndian.AppendUint16(append(append([]byte(nil), text...), 0), uint16(len(types)))
	for _, oid := range types {
		n, err := strconv.ParseUint(oid, 10, 32)
		if err != nil {
			return f
		}
		body = binary.BigEndian.AppendUint32(body, uint32(n))
	}
	f.body = body
	return f
}
