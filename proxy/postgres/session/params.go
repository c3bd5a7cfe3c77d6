package session

import (
	"encoding/binary"

	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// hasSpecialDate reports whether any value in the tail of a Bind message, which is formats, values and result formats, holds
// a word that date types read as the present. It is also true of a tail that is malformed. Each value is looked at by itself,
// for the length in front of it may look like letters; the format does not matter, for one format may stand for all. Values of which the
// verdict says that they become no date do not count, as long as types, the end of the Parse message, does not declare them to be one.
func hasSpecialDate(tail, types []byte, v *classify.Verdict) bool {
	formats, rest, ok := cutCount(tail)
	if !ok || len(rest) < 2*formats {
		return true
	}
	values, rest, ok := cutCount(rest[2*formats:])
	if !ok {
		return true
	}
	for i := range values {
		if len(rest) < 4 {
			return true
		}
		size := int32(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if size < 0 { // NULL
			continue
		}
		if int(size) > len(rest) || sqlscan.HasSpecialDate(rest[:size]) && !(v.BecomesNoDate(i) && declaredText(types, i)) {
			return true
		}
		rest = rest[size:]
	}
	return false
}

// Types that hold a text.
const (
	typeNone    = 0 // nothing is declared
	typeText    = 25
	typeUnknown = 705
	typePadded  = 1042 // char(n), of which blanks at the end do not count
	typeVarying = 1043
)

// declaredText reports whether parameter i of a Parse message is declared to be a text, or nothing.
func declaredText(types []byte, i int) bool {
	switch t, ok := declaredType(types, i); t {
	case typeNone, typeText, typeUnknown, typePadded, typeVarying:
		return ok
	}
	return false
}

// declaredPlain is declaredText for a text that is what its value says, letter for letter.
func declaredPlain(types []byte, i int) bool {
	t, _ := declaredType(types, i)
	return declaredText(types, i) && t != typePadded
}

// declaredType returns the type that a Parse message declares parameter i to be of. ok is false if the message is malformed.
func declaredType(types []byte, i int) (oid uint32, ok bool) {
	n, rest, ok := cutCount(types)
	switch {
	case !ok || len(rest) < 4*n:
		return 0, false
	case i >= n:
		return typeNone, true
	}
	return binary.BigEndian.Uint32(rest[4*i:]), true
}

// cutCount takes a number of two bytes off b.
func cutCount(b []byte) (n int, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(b)), b[2:], true
}
