package admin

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"overdrive/proxy/pgwire"
)

// A column of a result has one of three types, whose Go values are string, int64 and float64; nil is NULL.
type column struct {
	name string
	kind kind
}

type kind uint32 // OID

const (
	integer kind = 20  // int8
	text    kind = 25  // text
	real    kind = 701 // float8
)

// columnsOf makes columns of names: plain for text, with # in front for integer, with % for real.
func columnsOf(names ...string) []column {
	columns := make([]column, len(names))
	for i, name := range names {
		switch name[0] {
		case '#':
			columns[i] = column{name[1:], integer}
		case '%':
			columns[i] = column{name[1:], real}
		default:
			columns[i] = column{name, text}
		}
	}
	return columns
}

// formats are the result formats of a Bind: none, one for all, or one a column.
type formats []bool // binary

func (f formats) of(column int) bool {
	switch len(f) {
	case 0:
		return false
	case 1:
		return f[0]
	}
	return f[column]
}

// appendDescription adds RowDescription.
func appendDescription(dst []byte, columns []column, f formats) []byte {
	const fixedPart = 18
	size := 2
	for _, c := range columns {
		size += len(c.name) + 1 + fixedPart
	}
	dst = binary.BigEndian.AppendUint16(pgwire.AppendHeader(dst, pgwire.RowDescription, size), uint16(len(columns)))
	for i, c := range columns {
		dst = append(append(dst, c.name...), 0)
		dst = append(dst, 0, 0, 0, 0, 0, 0) // no table, no attribute number
		dst = binary.BigEndian.AppendUint32(dst, uint32(c.kind))
		dst = binary.BigEndian.AppendUint16(dst, uint16(c.kind.size()))
		dst = append(dst, 0xff, 0xff, 0xff, 0xff, 0) // no modifier
		dst = append(dst, formatCode(f.of(i)))
	}
	return dst
}

func formatCode(binary bool) byte {
	if binary {
		return 1
	}
	return 0
}

// size is the type's length, -1 if that varies.
func (k kind) size() int16 {
	if k == text {
		return -1
	}
	return 8
}

// appendRow adds DataRow.
func appendRow(dst []byte, row []any, f formats) []byte {
	start := len(dst)
	dst = pgwire.AppendHeader(dst, pgwire.DataRow, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(row)))
	for i, v := range row {
		at := len(dst)
		dst = append(dst, 0xff, 0xff, 0xff, 0xff) // NULL
		if v == nil {
			continue
		}
		dst = appendValue(dst, v, f.of(i))
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}

func appendValue(dst []byte, v any, inBinary bool) []byte {
	switch v := v.(type) {
	case string:
		return append(dst, v...)
	case int64:
		if inBinary {
			return binary.BigEndian.AppendUint64(dst, uint64(v))
		}
		return strconv.AppendInt(dst, v, 10)
	case float64:
		if inBinary {
			return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	}
	panic(fmt.Sprintf("admin: no column holds a %T", v))
}

// ratio is part of whole to four places, NULL of nothing.
func ratio(part, whole int64) any {
	if whole == 0 {
		return nil
	}
	return math.Round(float64(part)/float64(whole)*1e4) / 1e4
}
