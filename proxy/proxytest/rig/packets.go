package rig

import "encoding/binary"

// Codes of the requests that may come before a StartupMessage.
const (
	SslRequest    = 80877103
	GssRequest    = 80877104
	CancelRequest = 80877102
)

// Opener is a startup packet with a code and no more than data behind it.
func Opener(code uint32, data ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(data)))
	return append(binary.BigEndian.AppendUint32(b, code), data...)
}
