package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// MaxStartup bounds the packets that come before authentication, as PostgreSQL does (MAX_STARTUP_PACKET_LENGTH).
const MaxStartup = 10000

// ReadMessage reads exactly one message from r, blocking. The body is freshly allocated and belongs to the caller. A
// message whose body is larger than maxBody is refused with ErrLength before any of it is read.
func ReadMessage(r io.Reader, maxBody int) (typ byte, body []byte, err error) {
	var head [HeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("read message header: %w", err)
	}
	h, _, err := PeekHeader(head[:], maxBody)
	if err != nil {
		return 0, nil, err
	}
	if body, err = readBody(r, h.Body); err != nil {
		return 0, nil, fmt.Errorf("read body of message %q: %w", h.Type, err)
	}
	return h.Type, body, nil
}

// firstRead is what a body is given room for before any of it has come.
const firstRead = 1 << 10

// readBody reads n bytes. The memory that it takes grows with what has come, not with what was announced: a peer pays for
// it byte by byte.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, min(n, firstRead))
	for read := 0; ; {
		if _, err := io.ReadFull(r, body[read:]); err != nil {
			return nil, err
		}
		if read = len(body); read == n {
			return body, nil
		}
		more := make([]byte, min(n, 4*read))
		copy(more, body)
		body = more
	}
}

// ReadStartup reads exactly one of the untyped packets that open a connection: StartupMessage, SSLRequest,
// GSSENCRequest or CancelRequest. It returns the code in its first four bytes and the rest.
func ReadStartup(r io.Reader) (code uint32, rest []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("read startup packet: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 8 || length > MaxStartup {
		return 0, nil, fmt.Errorf("startup packet announces %d bytes: %w", length, ErrLength)
	}
	body, err := readBody(r, int(length-4))
	if err != nil {
		return 0, nil, fmt.Errorf("read body of startup packet: %w", err)
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}
