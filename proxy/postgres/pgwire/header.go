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
	used int // bytes before kept that its memory still holds, at most
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

// Keep stores the unread tail of what Join returned, or any other slice. A tail of what was kept already is copied only if it
// is the smaller part, so that a stream of small messages is not copied again for each of them. What stood before the
// tail is left as it is: whoever borrowed it may still be writing it out. Keeping nothing frees the memory.
func (in *Inbox) Keep(rest []byte) {
	if len(rest) > 0 || in.kept != nil { // mostly nothing was kept and nothing is, and then this costs no call
		in.keep(rest)
	}
}

func (in *Inbox) keep(rest []byte) {
	switch n := len(rest); {
	case n == 0:
		in.kept, in.used = nil, 0
	case in.endsWith(rest) && in.used+len(in.kept)-n <= n:
		in.used += len(in.kept) - n
		in.kept = rest
	default:
		in.kept, in.used = append(make([]byte, 0, n+HeaderLen), rest...), 0
	}
}

// endsWith reports whether rest is the end of what is kept, in the same memory.
func (in *Inbox) endsWith(rest []byte) bool {
	n, kept := len(rest), len(in.kept)
	return 0 < n && n <= kept && &rest[n-1] == &in.kept[kept-1]
}

// Len is the number of bytes kept.
func (in *Inbox) Len() int { return len(in.kept) }
