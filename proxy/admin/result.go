package admin

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A column of a result has one of a few types. The Go value of text is a string, of a real a float64, and of the others an int64; nil
// is NULL.
type column struct {
	name string
	kind kind
}

type kind uint32 // OID

const (
	integer kind = 20   // int8
	short   kind = 23   // int4, as PgBouncer has most
	text    kind = 25   // text
	real    kind = 701  // float8
	numeric kind = 1700 // as PgBouncer has its counters
)

// columnsOf makes columns of names: plain for text, with # in front for integer, with : for short, with = for numeric, with % for real.
func columnsOf(names ...string) []column {
	columns := make([]column, len(names))
	kinds := map[byte]kind{'#': integer, ':': short, '=': numeric, '%': real}
	for i, name := range names {
		if k, marked := kinds[name[0]]; marked {
			columns[i] = column{name[1:], k}
		} else {
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
	switch k {
	case text, numeric:
		return -1
	case short:
		return 4
	}
	return 8
}

func dataRow(columns []column, row []any, f formats) *pgproto3.DataRow {
	d := &pgproto3.DataRow{Values: make([][]byte, len(row))}
	for i, v := range row {
		if v != nil {
			d.Values[i] = columns[i].kind.value(v, f.of(i) == binaryFormat)
		}
	}
	return d
}

func (k kind) value(v any, inBinary bool) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case int64:
		if k == short { // what does not fit is as large as can be
			v = min(max(v, math.MinInt32), math.MaxInt32)
		}
		if !inBinary {
			return strconv.AppendInt(nil, v, 10)
		}
		switch k {
		case short:
			return binary.BigEndian.AppendUint32(nil, uint32(int32(v)))
		case numeric:
			return binaryNumeric(v)
		}
		return binary.BigEndian.AppendUint64(nil, uint64(v))
	case float64:
		if inBinary {
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(v))
		}
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	}
	panic(fmt.Sprintf("admin: no column holds a %T", v))
}

// binaryNumeric writes a whole number as numeric_send does: the number of digits to base 10,000, the power of the first, sign, scale,
// digits.
func binaryNumeric(v int64) []byte {
	const base, negative = 10000, 0x4000
	sign, rest := uint16(0), uint64(v)
	if v < 0 {
		sign, rest = negative, -rest
	}
	var digits []uint16
	for ; rest > 0; rest /= base {
		digits = append(digits, uint16(rest%base))
	}
	slices.Reverse(digits)
	weight := uint16(max(len(digits)-1, 0))
	for n := len(digits); n > 0 && digits[n-1] == 0; n-- {
		digits = digits[:n-1]
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(digits)))
	for _, part := range append([]uint16{weight, sign, 0}, digits...) {
		b = binary.BigEndian.AppendUint16(b, part)
	}
	return b
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
