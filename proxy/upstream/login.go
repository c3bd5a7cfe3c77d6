package upstream

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"overdrive/proxy/pgauth"
	"overdrive/proxy/pgwire"
)

// Bounds on what a server may send during a login.
const (
	maxMessage = 64 << 10 // body of one message; PostgreSQL's longest are a few hundred bytes
	maxLogin   = 1 << 20  // all messages together, notices included
	maxParams  = 1000     // distinct ParameterStatus names; PostgreSQL has about fifteen
)

const protocolVersion = 3 << 16 // 3.0

// loginReader reads a server's messages until it is ready.
type loginReader struct {
	nc     net.Conn
	budget int // bytes of messages the server may still send
	auth   *pgauth.Login
	conn   *Conn
}

// login sends the startup message over nc and answers until the server is ready.
func login(nc net.Conn, t Target, cred *pgauth.Credential) (*Conn, error) {
	startup, err := startupMessage(t, cred.User())
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write(startup); err != nil {
		return nil, fmt.Errorf("send startup message: %w", err)
	}
	r := &loginReader{nc: nc, budget: maxLogin, auth: cred.NewLogin(),
		conn: &Conn{NC: nc, Params: make(map[string]string)}}
	for {
		typ, body, err := readMessage(nc, min(maxMessage, r.budget))
		if err != nil {
			return nil, fmt.Errorf("read the server's answer: %w", err)
		}
		r.budget -= min(r.budget, 5+len(body))
		ready, err := r.take(typ, body)
		if err != nil {
			return nil, err
		}
		if ready {
			return r.conn, nil
		}
	}
}

// startupMessage asks for protocol 3.0: user, database, then the runtime parameters in order of their names.
func startupMessage(t Target, user string) ([]byte, error) {
	if user == "" {
		return nil, fmt.Errorf("%w: no user to log in as", errTarget)
	}
	body := binary.BigEndian.AppendUint32(nil, protocolVersion)
	pairs := []string{"user", user}
	if t.Database != "" {
		pairs = append(pairs, "database", t.Database)
	}
	for _, name := range slices.Sorted(maps.Keys(t.RuntimeParams)) {
		if name == "" || name == "user" || name == "database" {
			return nil, fmt.Errorf("%w: runtime parameter %q", errTarget, name)
		}
		pairs = append(pairs, name, t.RuntimeParams[name])
	}
	for i, s := range pairs {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, fmt.Errorf("%w: zero byte in startup parameter %q", errTarget, pairs[i&^1])
		}
		body = append(append(body, s...), 0)
	}
	return untyped(append(body, 0)), nil
}

// take handles one message and reports whether the server is ready.
func (r *loginReader) take(typ byte, body []byte) (ready bool, err error) {
	switch {
	case typ == 'E':
		return false, parseServerError(body)
	case typ == 'N': // NoticeResponse
		return false, nil
	case !r.auth.Done() && typ == 'v':
		return false, negotiated(body)
	case !r.auth.Done() && typ == 'R':
		return false, r.authenticate(body)
	case r.auth.Done() && typ == 'S':
		return false, r.parameter(body)
	case r.auth.Done() && typ == 'K':
		return false, r.key(body)
	case r.auth.Done() && typ == 'Z':
		if string(body) != "I" {
			return false, fmt.Errorf("%w: first ReadyForQuery is %.8q", errWire, body)
		}
		return true, nil
	default:
		return false, fmt.Errorf("%w: unexpected type %q during login", errWire, typ)
	}
}

func (r *loginReader) authenticate(body []byte) error {
	reply, err := r.auth.Next(body)
	if err != nil || reply == nil {
		return err
	}
	if _, err := r.nc.Write(pgwire.AppendMessage(nil, pgwire.PasswordMessage, reply)); err != nil {
		return fmt.Errorf("send authentication response: %w", err)
	}
	return nil
}

// parameter keeps a ParameterStatus; of two with the same name the later one counts.
func (r *loginReader) parameter(body []byte) error {
	name, value, err := pgwire.SplitParameterStatus(body)
	if err != nil {
		return fmt.Errorf("%w: ParameterStatus: %w", errWire, err)
	}
	if _, known := r.conn.Params[string(name)]; !known && len(r.conn.Params) == maxParams {
		return fmt.Errorf("%w: more than %d parameters", errWire, maxParams)
	}
	r.conn.Params[string(name)] = string(value)
	return nil
}

// key keeps BackendKeyData. The secret has four bytes in protocol 3.0 and up to 256 in 3.2; servers that were asked for the
// one have been seen to send the other.
func (r *loginReader) key(body []byte) error {
	if len(body) < 4 || !validSecret(body[4:]) {
		return fmt.Errorf("%w: BackendKeyData", errWire)
	}
	r.conn.PID, r.conn.Secret = binary.BigEndian.Uint32(body), body[4:]
	return nil
}

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
	if major := version >> 16; major != 0 && major != protocolVersion>>16 {
		return fmt.Errorf("%w: server negotiates protocol %d.%d", errWire, major, version&0xffff)
	}
	return nil
}
