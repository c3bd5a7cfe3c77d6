package upstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// Bounds on what a server may send during a login.
const (
	maxMessage = 64 << 10 // body of one message; PostgreSQL's longest are a few hundred bytes
	maxLogin   = 1 << 20  // all messages together, notices included
	maxParams  = 1000     // distinct ParameterStatus names; PostgreSQL has about fifteen
)

// A gate stands between the server and pgconn while pgconn logs in. It reads one message at a time and not a byte more, within
// the bounds above; it lets through what a login may contain, well-formed and in the order in which it may come, and keeps
// notices and errors to itself. What the server asks as a proof goes by auth, which also answers for pgconn unless SCRAM is
// asked for.
type gate struct {
	in     io.Reader // pgconn's own, which may read ahead: see rest
	out    io.Writer
	auth   *pgauth.Login
	budget int // bytes of messages that the server may still send

	// password is told what a SCRAM exchange has to prove, before pgconn hears that it begins.
	password func(string)

	passed []byte // let through, and not read yet
	err    error  // why nothing more is let through
}

// refused is a gate's error to pgconn. pgconn would call the server a second time, to cancel what a connection that failed may be
// doing; not if the failure was a timeout.
type refused struct{ error }

func (refused) Timeout() bool   { return true }
func (refused) Temporary() bool { return false }

var _ net.Error = refused{}

// Read is for pgconn.
func (g *gate) Read(b []byte) (int, error) {
	for len(g.passed) == 0 && g.err == nil {
		g.passed, g.err = g.next()
	}
	if g.err != nil {
		return 0, refused{g.err}
	}
	n := copy(b, g.passed)
	g.passed = g.passed[n:]
	return n, nil
}

// Write is for pgconn.
func (g *gate) Write(b []byte) (int, error) {
	n, err := g.out.Write(b)
	if err != nil && g.err == nil {
		g.err = fmt.Errorf("send to the server: %w", err)
	}
	return n, err
}

// next reads a message and returns it if it is for pgconn.
func (g *gate) next() ([]byte, error) {
	typ, body, err := readMessage(g.in, min(maxMessage, g.budget))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	g.budget -= min(g.budget, pgwire.HeaderLen+len(body))
	pass, err := g.judge(typ, body)
	if err != nil || !pass {
		return nil, err
	}
	return pgwire.AppendMessage(nil, typ, body), nil
}

// judge reports whether a message is for pgconn.
func (g *gate) judge(typ byte, body []byte) (pass bool, err error) {
	in := g.auth.Done()
	switch {
	case typ == pgwire.ErrorResponse:
		return false, parseServerError(body)
	case typ == pgwire.NoticeResponse:
		return false, nil
	case !in && typ == pgwire.NegotiateProtocolVersion:
		return false, negotiated(body)
	case typ == pgwire.Authentication:
		return g.authenticate(body)
	case in && typ == pgwire.ParameterStatus:
		if _, _, err := pgwire.SplitParameterStatus(body); err != nil {
			return false, fmt.Errorf("%w: ParameterStatus: %w", errWire, err)
		}
		return true, nil
	case in && typ == pgwire.BackendKeyData:
		if len(body) < 4 || !validSecret(body[4:]) {
			return false, fmt.Errorf("%w: BackendKeyData", errWire)
		}
		return true, nil
	case in && typ == pgwire.ReadyForQuery:
		if string(body) != "I" {
			return false, fmt.Errorf("%w: first ReadyForQuery is %.8q", errWire, body)
		}
		return true, nil
	}
	return false, fmt.Errorf("%w: unexpected type %q during login", errWire, typ)
}

func (g *gate) authenticate(body []byte) (pass bool, err error) {
	answer, err := g.auth.Next(body)
	switch {
	case err != nil:
		return false, err
	case answer.Message == nil:
		if answer.Password != "" {
			g.password(answer.Password)
		}
		return true, nil
	}
	_, err = g.Write(pgwire.AppendMessage(nil, pgwire.PasswordMessage, answer.Message))
	return false, err
}

// rest returns what was read from nc behind the last message of the login, and makes sure that nothing reads from it any more.
// pgconn has a second reader help itself while one of its writes takes long, which on a busy machine any write may; that one
// reads as much as there is, and may still be at it. A deadline in the past has it stop. crypto/tls, too, may have decrypted more
// than was asked for.
func (g *gate) rest(nc net.Conn) ([]byte, error) {
	if err := nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	var ahead []byte
	for b := make([]byte, 512); len(ahead) <= maxMessage; {
		n, err := g.in.Read(b)
		ahead = append(ahead, b[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ahead, nc.SetReadDeadline(time.Time{})
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %d bytes behind the login", errWire, len(ahead))
}

// validSecret reports whether a server may have given such a cancel key. It has four bytes in protocol 3.0 and up to 256 in 3.2;
// servers that were asked for the one have been seen to send the other.
func validSecret(secret []byte) bool {
	return len(secret) >= 4 && len(secret) <= 256
}

// negotiated judges NegotiateProtocolVersion: newest minor version the server speaks, then the options it does not know.
// We ask for the oldest there is, and an option only if the configuration says so; then going without it would be wrong.
func negotiated(body []byte) error {
	if len(body) < 8 {
		return fmt.Errorf("%w: NegotiateProtocolVersion", errWire)
	}
	version, options := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
	if options != 0 {
		return fmt.Errorf("%w: server does not know %d of the protocol options", errTarget, options)
	}
	// The documentation calls it the minor version; PostgreSQL sends the whole number.
	if major := version >> 16; major != 0 && major != pgwire.Version30>>16 {
		return fmt.Errorf("%w: server negotiates protocol %d.%d", errWire, major, version&0xffff)
	}
	return nil
}
