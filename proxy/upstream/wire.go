package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errWire says that what came is no message of the protocol.
var errWire = errors.New("malformed message from server")

// readMessage reads one message and not a byte more: type, then the body without its length word. A body of more than max
// bytes is refused before it is read. io.EOF means that the stream ended between messages.
func readMessage(r io.Reader, max int) (typ byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || uint64(n)-4 > uint64(max) {
		return 0, nil, fmt.Errorf("%w: type %q, length %d", errWire, head[0], n)
	}
	body = make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], body, nil
}

// message frames a body.
func message(typ byte, body []byte) []byte {
	b := append(make([]byte, 0, 5+len(body)), typ)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(body)))
	return append(b, body...)
}

// untyped frames the body of one of the messages that open a connection and have no type byte.
func untyped(body []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(4+len(body)))
	return append(b, body...)
}

// cutString takes a string with its closing zero byte from the front of b.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], true
		}
	}
	return "", b, false
}
