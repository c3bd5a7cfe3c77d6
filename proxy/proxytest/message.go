package proxytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Message is one message of the protocol, in either direction.
type Message struct {
	Type byte
	Body []byte // what follows the length
}

// Bytes returns m as it travels.
func (m Message) Bytes() []byte {
	b := binary.BigEndian.AppendUint32([]byte{m.Type}, uint32(len(m.Body)+4))
	return append(b, m.Body...)
}

// String returns the name of a server's message and its body.
func (m Message) String() string {
	name := serverMessages[m.Type]
	if name == "" {
		name = fmt.Sprintf("%q", m.Type)
	}
	if len(m.Body) == 0 {
		return name
	}
	return name + " " + strconv.Quote(string(m.Body))
}

// PostgreSQL documentation, "Message Formats".
var serverMessages = map[byte]string{
	'1': "ParseComplete", '2': "BindComplete", '3': "CloseComplete", 'A': "NotificationResponse",
	'C': "CommandComplete", 'D': "DataRow", 'E': "ErrorResponse", 'G': "CopyInResponse", 'H': "CopyOutResponse",
	'I': "EmptyQueryResponse", 'K': "BackendKeyData", 'N': "NoticeResponse", 'R': "Authentication",
	'S': "ParameterStatus", 'T': "RowDescription", 'V': "FunctionCallResponse", 'Z': "ReadyForQuery",
	'c': "CopyDone", 'd': "CopyData", 'n': "NoData", 's': "PortalSuspended", 't': "ParameterDescription",
	'v': "NegotiateProtocolVersion",
}

// maxBody is more than any test sends; a greater length means that the framing is lost.
const maxBody = 256 << 20

func readMessage(r *bufio.Reader) (Message, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Message{}, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > maxBody {
		return Message{}, fmt.Errorf("message %q has the impossible length %d", head[0], n)
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, fmt.Errorf("message %q of length %d: %w", head[0], n, err)
	}
	return Message{head[0], body}, nil
}

func message(typ byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return Message{typ, body}.Bytes()
}

func cstring(s string) []byte { return append([]byte(s), 0) }
func int16s(n ...int) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(n)))
	for _, v := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// The client's messages.

// Query is a simple query.
func Query(sql string) []byte { return message('Q', cstring(sql)) }

// Parse names a statement. Parameters without a type in oids have the server choose it.
func Parse(name, sql string, oids ...uint32) []byte {
	types := binary.BigEndian.AppendUint16(nil, uint16(len(oids)))
	for _, oid := range oids {
		types = binary.BigEndian.AppendUint32(types, oid)
	}
	return message('P', cstring(name), cstring(sql), types)
}

// Bind makes a portal of a statement. A nil parameter is NULL. Formats are 0 for text and 1 for binary, as many as the
// protocol allows: none, one for all, or one each.
func Bind(portal, statement string, params [][]byte, paramFormats, resultFormats []int) []byte {
	values := binary.BigEndian.AppendUint16(nil, uint16(len(params)))
	for _, p := range params {
		if p == nil {
			values = binary.BigEndian.AppendUint32(values, 0xffffffff)
			continue
		}
		values = binary.BigEndian.AppendUint32(values, uint32(len(p)))
		values = append(values, p...)
	}
	return message('B', cstring(portal), cstring(statement), int16s(paramFormats...), values, int16s(resultFormats...))
}

// Describe asks about a statement ('S') or portal ('P').
func Describe(kind byte, name string) []byte { return message('D', []byte{kind}, cstring(name)) }

// Execute runs a portal for up to maxRows rows; 0 is all.
func Execute(portal string, maxRows int) []byte {
	return message('E', cstring(portal), binary.BigEndian.AppendUint32(nil, uint32(maxRows)))
}

// CloseName closes a statement ('S') or portal ('P').
func CloseName(kind byte, name string) []byte { return message('C', []byte{kind}, cstring(name)) }

// Sync ends a batch of the extended protocol.
func Sync() []byte { return message('S') }

// Flush asks for the replies so far.
func Flush() []byte { return message('H') }

// CopyData is a part of the data of a COPY, in either direction.
func CopyData(data []byte) []byte { return message('d', data) }

// CopyDone ends the data of a COPY.
func CopyDone() []byte { return message('c') }

// CopyFail ends the data of a COPY that shall fail.
func CopyFail(reason string) []byte { return message('f', cstring(reason)) }

// Terminate ends the connection.
func Terminate() []byte { return message('X') }

// The server's messages, for FakeServer.

// AuthenticationOK tells the client that it is logged in.
func AuthenticationOK() []byte { return message('R', []byte{0, 0, 0, 0}) }

// ParameterStatus tells the client a setting.
func ParameterStatus(name, value string) []byte { return message('S', cstring(name), cstring(value)) }

// BackendKeyData tells the client what to send to cancel.
func BackendKeyData(pid, secret uint32) []byte {
	return message('K', binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, pid), secret))
}

// ReadyForQuery ends a reply; status is 'I', 'T' or 'E'.
func ReadyForQuery(status byte) []byte { return message('Z', []byte{status}) }

// CommandComplete ends a statement's results.
func CommandComplete(tag string) []byte { return message('C', cstring(tag)) }

// TextRow describes a row of text columns of the given names.
func TextRow(names ...string) []byte {
	const textOID = 25
	body := binary.BigEndian.AppendUint16(nil, uint16(len(names)))
	for _, name := range names {
		body = append(body, cstring(name)...)
		body = append(body, 0, 0, 0, 0, 0, 0, 0, 0, 0, textOID, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0)
	}
	return message('T', body)
}

// DataRow is a row; a nil value is NULL.
func DataRow(values ...[]byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		if v == nil {
			body = binary.BigEndian.AppendUint32(body, 0xffffffff)
			continue
		}
		body = binary.BigEndian.AppendUint32(body, uint32(len(v)))
		body = append(body, v...)
	}
	return message('D', body)
}

// ErrorResponse has the given fields, each a letter and its text: "SFATAL", "C57P01", "Mgoing away".
func ErrorResponse(fields ...string) []byte {
	var body []byte
	for _, f := range fields {
		body = append(body, cstring(f)...)
	}
	return message('E', body, []byte{0})
}
