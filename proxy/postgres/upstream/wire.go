package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"overdrive/proxy/postgres/pgwire"
)

// errWire says that what came is no message of the protocol.
var errWire = errors.New("malformed message from server")

// readMessage reads one message of at most limit bytes, and not a byte more. A server that hangs up in the middle of a
// conversation gives io.ErrUnexpectedEOF.
func readMessage(r io.Reader, limit int) (typ byte, body []byte, err error) {
	typ, body, err = pgwire.ReadMessage(r, limit)
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, pgwire.ErrLength):
		err = fmt.Errorf("%w: %w", errWire, err)
	}
	return typ, body, err
}

// untyped frames the body of one of the messages that open a connection and have no type byte.
func untyped(body []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(4+len(body)))
	return append(b, body...)
}
