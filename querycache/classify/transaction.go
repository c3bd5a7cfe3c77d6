package classify

// plainTransaction tells whether s, which is all of a text, begins or ends a transaction in a form that cannot fail and means what it
// says whatever came before.
func (s statement) plainTransaction() Session {
	first, rest := s.at(0), s[min(1, len(s)):]
	switch {
	case first.is("begin"):
		if rest.at(0).is("work", "transaction") {
			rest = rest[1:]
		}
		return rest.plainModes()
	case first.is("start") && rest.at(0).is("transaction"):
		if modes := rest[1:].plainModes(); modes != 0 {
			return modes | Starts
		}
		return 0
	}
	if rest.at(0).is("work", "transaction") {
		rest = rest[1:]
	}
	switch {
	case len(rest) > 0:
	case first.is("commit", "end"):
		return PlainCommit
	case first.is("rollback", "abort"):
		return PlainRollback
	}
	return 0
}

// plainModes reads the modes of a BEGIN. It returns 0 unless they are of one sense, and of READ COMMITTED.
func (s statement) plainModes() Session {
	bits := PlainBegin
	var only, write bool
	for len(s) > 0 {
		switch {
		case s.at(0).text == ",":
			s = s[1:]
		case s.at(0).is("isolation") && s.at(1).is("level") && s.at(2).is("read") && s.at(3).is("committed"):
			bits |= Committed
			s = s[4:]
		case s.at(0).is("read") && s.at(1).is("only"):
			only, s = true, s[2:]
		case s.at(0).is("read") && s.at(1).is("write"):
			write, s = true, s[2:]
		default:
			return 0
		}
	}
	switch {
	case only && write:
		return 0
	case write:
		bits |= Writes
	}
	return bits
}
