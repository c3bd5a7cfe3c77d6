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
	_, values, ok := cutBound(tail)
	if !ok {
		return true
	}
	for i := range values.n {
		value, ok := values.next()
		if !ok || sqlscan.HasSpecialDate(value) && !(v.BecomesNoDate(i) && declaredText(types, i)) {
			return true
		}
	}
	return false
}

// boundValues are the values in the tail of a Bind message.
type boundValues struct {
	n    int // as the message says
	rest []byte
}

// cutBound takes the tail of a Bind message apart: the formats, two bytes each, and the values.
func cutBound(tail []byte) (formats []byte, values boundValues, ok bool) {
	n, rest, ok := cutCount(tail)
	if !ok || len(rest) < 2*n {
		return nil, values, false
	}
	values.n, values.rest, ok = cutCount(rest[2*n:])
	return rest[:2*n], values, ok
}

// next returns the next value, nil for NULL. ok is false if the message is malformed.
func (v *boundValues) next() (value []byte, ok bool) {
	if len(v.rest) < 4 {
		return nil, false
	}
	size := int32(binary.BigEndian.Uint32(v.rest))
	if v.rest = v.rest[4:]; size < 0 {
		return nil, true
	}
	if int(size) > len(v.rest) {
		return nil, false
	}
	value, v.rest = v.rest[:size:size], v.rest[size:]
	return value, true
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
