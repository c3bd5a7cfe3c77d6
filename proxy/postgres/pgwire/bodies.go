package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
)

// ErrBody says that the body of a message does not have the layout its type demands.
var ErrBody = errors.New("malformed message body")

// ErrSubtype says that a Describe or Close means neither a statement nor a portal. The server refuses it and goes on.
var ErrSubtype = errors.New("unknown message subtype")

// CutString cuts the zero-terminated string off the front of b. ok is false where no zero byte is in sight.
func CutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) > 0 && b[0] == 0 { // an unnamed statement or portal: not worth a search
		return b[:0], b[1:], true
	}
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}

// SplitParse cuts the body of a Parse message into the statement's name and the rest: query text, zero byte, number of
// parameter types and their OIDs. Both borrow from body.
func SplitParse(body []byte) (name, rest []byte, err error) {
	name, rest, ok := CutString(body)
	if !ok {
		return nil, nil, ErrBody
	}
	_, oids, ok := CutString(rest)
	if !ok || len(oids) < 2 || len(oids) != 2+4*int(binary.BigEndian.Uint16(oids)) {
		return nil, nil, ErrBody
	}
	return name, rest, nil
}

// SplitBind cuts the body of a Bind message, or any front part of it that reaches that far, into the names of portal and
// statement and the rest: formats, values, result formats. All borrow from body. ok is false when body ends within
// the names.
func SplitBind(body []byte) (portal, statement, rest []byte, ok bool) {
	portal, rest, ok = CutString(body)
	if !ok {
		return nil, nil, nil, false
	}
	statement, rest, ok = CutString(rest)
	return portal, statement, rest, ok
}

// SplitTarget reads the body of a Describe or Close message. The error is ErrBody or ErrSubtype.
func SplitTarget(body []byte) (what Target, name []byte, err error) {
	if len(body) < 2 || body[len(body)-1] != 0 {
		return 0, nil, ErrBody
	}
	what, name = Target(body[0]), body[1:len(body)-1]
	switch {
	case bytes.IndexByte(name, 0) >= 0:
		return 0, nil, ErrBody
	case what != Statement && what != Portal:
		return 0, nil, ErrSubtype
	}
	return what, name, nil
}

// SplitExecute reads the body of an Execute message. maxRows 0 means all of them.
func SplitExecute(body []byte) (portal []byte, maxRows uint32, err error) {
	portal, rest, ok := CutString(body)
	if !ok || len(rest) != 4 {
		return nil, 0, ErrBody
	}
	return portal, binary.BigEndian.Uint32(rest), nil
}

// SplitQuery reads the body of a Query message: the text without its zero byte.
func SplitQuery(body []byte) (text []byte, err error) {
	text, rest, ok := CutString(body)
	if !ok || len(rest) != 0 {
		return nil, ErrBody
	}
	return text, nil
}

// SplitParameterStatus reads the body of a ParameterStatus message.
func SplitParameterStatus(body []byte) (name, value []byte, err error) {
	name, rest, ok := CutString(body)
	if !ok {
		return nil, nil, ErrBody
	}
	value, rest, ok = CutString(rest)
	if !ok || len(rest) != 0 {
		return nil, nil, ErrBody
	}
	return name, value, nil
}

// SplitDataRow cuts the body of a DataRow message into its values, nil for NULL. They borrow from body.
func SplitDataRow(body []byte) ([][]byte, error) {
	if len(body) < 2 {
		return nil, ErrBody
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if n > len(body)/4 { // each value has a length
		return nil, ErrBody
	}
	row := make([][]byte, n)
	for i := range row {
		if len(body) < 4 {
			return nil, ErrBody
		}
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size < 0 {
			continue
		}
		if int64(size) > int64(len(body)) {
			return nil, ErrBody
		}
		row[i], body = body[:size:size], body[size:]
	}
	return row, nil
}

// Fields of ErrorResponse and NoticeResponse that a proxy looks at.
const (
	FieldSeverity byte = 'V' // never translated; absent before PostgreSQL 9.6
	FieldCode     byte = 'C' // SQLSTATE
	FieldMessage  byte = 'M'
	fieldLegacy   byte = 'S' // severity, maybe translated

	fieldPosition   byte = 'P' // in the text that the client has sent
	fieldInternal   byte = 'p' // in a text that the server has made itself, or found in a function
	fieldInnerQuery byte = 'q' // that text
	fieldContext    byte = 'W' // the calls that led to the error
	fieldFile       byte = 'F' // of the server's sources
)

// An ErrorReport is the part of an ErrorResponse or NoticeResponse that decides what happens next. A field that the
// peer left out is empty: a server is not trusted to send any of them.
type ErrorReport struct {
	Severity, Code, Message string
}

// Fatal says whether the sender ends its connection after this report.
func (r ErrorReport) Fatal() bool { return r.Severity == "FATAL" || r.Severity == "PANIC" }

// ReadError reads the body of an ErrorResponse or NoticeResponse, as far as it is well-formed.
func ReadError(body []byte) ErrorReport {
	var r ErrorReport
	for field, value := range fields(body) {
		switch field {
		case FieldSeverity:
			r.Severity = string(value)
		case fieldLegacy:
			if r.Severity == "" {
				r.Severity = string(value)
			}
		case FieldCode:
			r.Code = string(value)
		case FieldMessage:
			r.Message = string(value)
		}
	}
	return r
}

// fields yields the fields of an ErrorResponse or NoticeResponse. The values are borrowed. What is not well-formed is yielded last, as a field 0,
// of which no message has one.
func fields(body []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for len(body) > 1 && body[0] != 0 {
			value, rest, ok := CutString(body[1:])
			if !ok {
				yield(0, body)
				return
			}
			if !yield(body[0], value) {
				return
			}
			body = rest
		}
	}
}

// IsFromGrammar reports whether the body of an ErrorResponse says that the server's grammar has refused the text that the client has sent,
// as a whole: the error was raised in a source file of the grammar, at a place in that text, and not below any call. No SQLSTATE tells as
// much, for a function can raise any; a function can name neither the file nor leave out that it was called.
func IsFromGrammar(body []byte) bool {
	placed, grammar := false, false
	for field, value := range fields(body) {
		switch field {
		case fieldPosition:
			placed = true
		case 0, fieldInternal, fieldInnerQuery, fieldContext:
			return false
		case fieldFile:
			grammar = string(value) == "scan.l" || string(value) == "gram.y"
		}
	}
	return placed && grammar
}
