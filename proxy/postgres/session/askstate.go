package session

// This file is about what a session has on its server besides parameters, as far as the server shows it.

// askStateText tells of its own session whether it listens, has temporary objects, cursors that outlive their transaction, session
// advisory locks, and statements of SQL PREPARE, in the order of statePins. To look at all locks is dear where there are many, so that
// is asked for only where there may be one. It is asked where no transaction is open, so a lock that is there is the session's.
const askStateText = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_listening_channels())," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_depend d" +
	" WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid" +
	" AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_cursors c WHERE c.is_holdable)," +
	" CASE WHEN $1 THEN EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'" +
	" AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) ELSE false END," +
	" EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql)"

var parseAskState = parseOf(askStateText, boolType)

// statePins are what the columns of askStateText tell.
var statePins = [...]pinSet{pinListen, pinTemporary, pinHoldCursor, pinAdvisoryLock, pinPrepare}

// appendAskState adds the question.
func appendAskState(b []byte, locks bool) []byte {
	which := "f"
	if locks {
		which = "t"
	}
	return appendRun(append(b, parseAskState...), argument{text: which})
}

// readState returns what the row of the answer says. A value is one byte.
func readState(row [][]byte) (pins pinSet) {
	for i, pin := range statePins {
		if len(row[i]) == 1 && row[i][0] != 0 {
			pins |= pin
		}
	}
	return pins
}

// takeState takes in what the session has on its server now.
func (s *Session) takeState(left pinSet) {
	s.unpin(shownPins &^ left)
	s.pin(left)
	s.view.veiled = left&pinTemporary != 0
}
