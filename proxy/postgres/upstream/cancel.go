package upstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

const cancelRequest = 80877102 // code in place of the protocol version

// Cancel asks the server to interrupt what process pid is doing, over a connection of its own that is secured as sslmode
// says. It returns nil when the server has closed that connection: by then the signal has been sent, and the connection
// that pid serves may take its next query. Whether there was anything to interrupt is not known. After an error the request
// may or may not take effect.
func (d *Dialer) Cancel(ctx context.Context, pid uint32, secret []byte) error {
	if !validSecret(secret) {
		return fmt.Errorf("cancel: %d bytes of secret, want 4 to 256", len(secret))
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	body := binary.BigEndian.AppendUint32(nil, cancelRequest)
	body = binary.BigEndian.AppendUint32(body, pid)
	request := untyped(append(body, secret...))
	bare := Dialer{Target: d.Target} // this socket never reaches an event loop
	err := bare.try(ctx, func(nc net.Conn) error {
		defer func() { _ = nc.Close() }()
		if _, err := nc.Write(request); err != nil {
			return err
		}
		return awaitEOF(nc)
	})
	if err != nil {
		return fmt.Errorf("cancel at %s: %w", d.Target, err)
	}
	return nil
}

// awaitEOF reads until the server hangs up. It may do so without the farewell of TLS, or with a reset if it has not read
// ours: either way it is done. A server answers a cancel request with nothing; a few bytes are let pass.
func awaitEOF(nc net.Conn) error {
	_, err := io.CopyN(io.Discard, nc, maxMessage)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return nil
	case err == nil:
		return fmt.Errorf("%w: long answer to a cancel request", errWire)
	default:
		return err
	}
}
