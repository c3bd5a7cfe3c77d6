package pgwire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrLength says that a peer announced a message length that is below the minimum or above the limit. Its stream cannot
// be followed any further.
var ErrLength = errors.New("invalid message length")

// A Header is what stands before each message body.
type Header struct {
	Type byte
	Body int // bytes of the body, without type and length
}

// Total is the size of the whole message, header included.
func (h Header) Total() int { return HeaderLen + h.Body }

// PeekHeader reads the header at the front of b without consuming it. ok is false while b is shorter than a header. A
// body larger than maxBody or a length below four gives an error that wraps ErrLength.
func PeekHeader(b []byte, maxBody int) (h Header, ok bool, err error) {
	if len(b) < HeaderLen {
		return Header{}, false, nil
	}
	length := binary.BigEndian.Uint32(b[1:HeaderLen])
	if length < 4 || uint64(length)-4 > uint64(maxBody) {
		return Header{}, false, lengthError(b[0], length, maxBody)
	}
	return Header{Type: b[0], Body: int(length - 4)}, true, nil
}

func lengthError(typ byte, length uint32, maxBody int) error {
	return fmt.Errorf("message type %q announces %d bytes, limit %d: %w", typ, length, maxBody, ErrLength)
}

// An Inbox joins the unfinished message at the end of one read with the bytes of the next, so that whoever walks a
// stream always sees messages from their first byte. The zero value is empty and holds no memory.
type Inbox struct {
	kept []byte
}

// Join returns what was kept with b behind it. The result is valid until the next Keep; when nothing was kept it is b
// itself, uncopied.
func (in *Inbox) Join(b []byte) []byte {
	if len(in.kept) == 0 {
		return b
	}
	in.kept = append(in.kept, b...)
	return in.kept
}

// Keep stores the unread tail of what Join returned, or any other slice, and copies it unless it is all that was kept
// already. What stood before the tail is left as it is: whoever borrowed it may still be writing it out. Keeping
// nothing frees the memory.
func (in *Inbox) Keep(rest []byte) {
	switch {
	case len(rest) == 0:
		in.kept = nil
	case len(rest) == len(in.kept) && &rest[0] == &in.kept[0]:
	default:
		in.kept = append(make([]byte, 0, len(rest)+HeaderLen), rest...)
	}
}

// Len is the number of bytes kept.
func (in *Inbox) Len() int { return len(in.kept) }
