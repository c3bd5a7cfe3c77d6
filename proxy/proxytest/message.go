package proxytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"
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

// encode returns a message as it travels. What pgproto3 cannot encode, a zero byte in a string say, no test wants.
func encode(m pgproto3.Message) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		panic("proxytest: " + err.Error())
	}
	return b
}

// The client's messages.

// Query is a simple query.
func Query(sql string) []byte { return encode(&pgproto3.Query{String: sql}) }

// Parse names a statement. Parameters without a type in oids have the server choose it.
func Parse(name, sql string, oids ...uint32) []byte {
	return encode(&pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: oids})
}

// Bind makes a portal of a statement. A nil parameter is NULL. Formats are 0 for text and 1 for binary, as many as the
// protocol allows: none, one for all, or one each.
func Bind(portal, statement string, params [][]byte, paramFormats, resultFormats []int) []byte {
	return encode(&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement,
		ParameterFormatCodes: codes(paramFormats), Parameters: params, ResultFormatCodes: codes(resultFormats)})
}

func codes(formats []int) []int16 {
	var all []int16
	for _, f := range formats {
		all = append(all, int16(f))
	}
	return all
}

// Describe asks about a statement ('S') or portal ('P').
func Describe(kind byte, name string) []byte {
	return encode(&pgproto3.Describe{ObjectType: kind, Name: name})
}

// Execute runs a portal for up to maxRows rows; 0 is all.
func Execute(portal string, maxRows int) []byte {
	return encode(&pgproto3.Execute{Portal: portal, MaxRows: uint32(maxRows)})
}

// CloseName closes a statement ('S') or portal ('P').
func CloseName(kind byte, name string) []byte {
	return encode(&pgproto3.Close{ObjectType: kind, Name: name})
}

// Sync ends a batch of the extended protocol.
func Sync() []byte { return encode(&pgproto3.Sync{}) }

// Flush asks for the replies so far.
func Flush() []byte { return encode(&pgproto3.Flush{}) }

// CopyData is a part of the data of a COPY, in either direction.
func CopyData(data []byte) []byte { return encode(&pgproto3.CopyData{Data: data}) }

// CopyDone ends the data of a COPY.
func CopyDone() []byte { return encode(&pgproto3.CopyDone{}) }

// CopyFail ends the data of a COPY that shall fail.
func CopyFail(reason string) []byte { return encode(&pgproto3.CopyFail{Message: reason}) }

// Terminate ends the connection.
func Terminate() []byte { return encode(&pgproto3.Terminate{}) }

// The server's messages, for FakeServer.

// AuthenticationOK tells the client that it is logged in.
func AuthenticationOK() []byte { return encode(&pgproto3.AuthenticationOk{}) }

// ParameterStatus tells the client a setting.
func ParameterStatus(name, value string) []byte {
	return encode(&pgproto3.ParameterStatus{Name: name, Value: value})
}

// BackendKeyData tells the client what to send to cancel.
func BackendKeyData(pid, secret uint32) []byte {
	return encode(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: binary.BigEndian.AppendUint32(nil, secret)})
}

// ReadyForQuery ends a reply; status is 'I', 'T' or 'E'.
func ReadyForQuery(status byte) []byte { return encode(&pgproto3.ReadyForQuery{TxStatus: status}) }

// CommandComplete ends a statement's results.
func CommandComplete(tag string) []byte {
	return encode(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// TextRow describes a row of text columns of the given names.
func TextRow(names ...string) []byte {
	const textOID = 25
	d := &pgproto3.RowDescription{}
	for _, name := range names {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: textOID, DataTypeSize: -1, TypeModifier: -1})
	}
	return encode(d)
}

// DataRow is a row; a nil value is NULL.
func DataRow(values ...[]byte) []byte { return encode(&pgproto3.DataRow{Values: values}) }

// ErrorResponse has the given fields in this order, each a letter and its text: "SFATAL", "C57P01", "Mgoing away".
func ErrorResponse(fields ...string) []byte {
	var body []byte
	for _, f := range fields {
		body = slices.Concat(body, []byte(f), []byte{0})
	}
	return Message{'E', append(body, 0)}.Bytes()
}
