package session

import (
	"encoding/binary"

	"overdrive/querycache/sqlscan"
)

// hasSpecialDate reports whether any value in the tail of a Bind message, which is formats, values and result formats, holds
// a word that date types read as the present. It is also true of a tail that is malformed. Each value is looked at by itself,
// for the length in front of it may look like letters; the format does not matter, for one format may stand for all.
func hasSpecialDate(tail []byte) bool {
	formats, rest, ok := cutCount(tail)
	if !ok || len(rest) < 2*formats {
		return true
	}
	values, rest, ok := cutCount(rest[2*formats:])
	if !ok {
		return true
	}
	for range values {
		if len(rest) < 4 {
			return true
		}
		size := int32(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if size < 0 { // NULL
			continue
		}
		if int(size) > len(rest) || sqlscan.HasSpecialDate(rest[:size]) {
			return true
		}
		rest = rest[size:]
	}
	return false
}

// cutCount takes a number of two bytes off b.
func cutCount(b []byte) (n int, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(b)), b[2:], true
}
