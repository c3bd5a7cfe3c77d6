package admin

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
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

// formats are the result formats of a Bind: none, one for all, or one a column; 1 is binary.
type formats []int16

func (f formats) of(column int) int16 {
	switch len(f) {
	case 0:
		return 0
	case 1:
		return f[0]
	}
	return f[column]
}

// binaryFormat is the format code of binary values; others than 0 and 1 there are none.
const binaryFormat = 1

func description(columns []column, f formats) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, c := range columns {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{
			Name: []byte(c.name), DataTypeOID: uint32(c.kind), DataTypeSize: c.kind.size(), TypeModifier: -1, Format: f.of(i),
		})
	}
	return d
}

// size is the type's length, -1 if that varies.
func (k kind) size() int16 {
	if k == text {
		return -1
	}
	return 8
}

func dataRow(row []any, f formats) *pgproto3.DataRow {
	d := &pgproto3.DataRow{Values: make([][]byte, len(row))}
	for i, v := range row {
		if v != nil {
			d.Values[i] = valueOf(v, f.of(i) == binaryFormat)
		}
	}
	return d
}

func valueOf(v any, inBinary bool) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case int64:
		if inBinary {
			return binary.BigEndian.AppendUint64(nil, uint64(v))
		}
		return strconv.AppendInt(nil, v, 10)
	case float64:
		if inBinary {
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(v))
		}
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	}
	panic(fmt.Sprintf("admin: no column holds a %T", v))
}

func complete(c *command, rows int) *pgproto3.CommandComplete {
	return &pgproto3.CommandComplete{CommandTag: []byte(c.tag(rows))}
}

// ratio is part of whole to four places, NULL of nothing.
func ratio(part, whole int64) any {
	if whole == 0 {
		return nil
	}
	return math.Round(float64(part)/float64(whole)*1e4) / 1e4
}
