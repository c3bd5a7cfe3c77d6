package proxytest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is how long a Wire waits for one message or one write. It is long for the sake of loaded machines; a test
// that meets it has failed.
const patience = time.Minute

const protocol3 = 3 << 16

// Login is what a client says about itself.
type Login struct {
	User     string
	Database string            // empty is the server's default
	Password string            // for a server that asks for it in clear
	Params   map[string]string // further startup parameters
}

// Wire is a client that sends what it is told and shows what comes back. One goroutine may send while another
// receives.
type Wire struct {
	conn  net.Conn
	r     *bufio.Reader
	judge *judge
	// Startup is what the server said from the login to the first ReadyForQuery, both included.
	Startup []Message
}

// Dial connects to address, host:port or the path of a Unix socket, and logs in. It knows the methods trust and
// password.
func Dial(ctx context.Context, address string, login Login) (*Wire, error) {
	w, err := DialRaw(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := w.login(login); err != nil {
		w.conn.Close()
		return nil, fmt.Errorf("login as %q: %w", login.User, err)
	}
	return w, nil
}

// DialRaw connects without saying a word.
func DialRaw(ctx context.Context, address string) (*Wire, error) {
	network := "tcp"
	if filepath.IsAbs(address) {
		network = "unix"
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &Wire{conn: conn, r: bufio.NewReader(conn), judge: judgeServer()}, nil
}

// StartupMessage returns the first message of a login.
func StartupMessage(login Login) []byte {
	body := binary.BigEndian.AppendUint32(nil, protocol3)
	add := func(name, value string) {
		if value != "" {
			body = append(append(append(append(body, name...), 0), value...), 0)
		}
	}
	add("user", login.User)
	add("database", login.Database)
	for name, value := range login.Params {
		add(name, value)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func (w *Wire) login(login Login) error {
	if err := w.Send(StartupMessage(login)); err != nil {
		return err
	}
	for {
		m, err := w.Receive()
		if err != nil {
			return err
		}
		w.Startup = append(w.Startup, m)
		switch {
		case m.Type == 'E':
			return errors.New(m.String())
		case m.Type == 'Z':
			return nil
		case m.Type == 'R':
			if err := w.authenticate(m, login.Password); err != nil {
				return err
			}
		}
	}
}

func (w *Wire) authenticate(m Message, password string) error {
	const ok, cleartext = 0, 3
	if len(m.Body) < 4 {
		return errors.New("authentication request is too short")
	}
	switch method := binary.BigEndian.Uint32(m.Body); method {
	case ok:
		return nil
	case cleartext:
		return w.Send(encode(&pgproto3.PasswordMessage{Password: password}))
	default:
		return fmt.Errorf("authentication method %d is not known here", method)
	}
}

// Conn returns the connection itself, for deadlines, half closes and resets.
func (w *Wire) Conn() net.Conn { return w.conn }

// Send writes messages, or any other bytes, in one go.
func (w *Wire) Send(messages ...[]byte) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := w.conn.Write(slices.Concat(messages...))
	return err
}

// Receive returns the next message, which is well-formed. At the end of the stream, between messages, the error is io.EOF itself.
func (w *Wire) Receive() (Message, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return Message{}, err
	}
	m, err := readMessage(w.r)
	if err != nil {
		return m, err
	}
	return m, w.judge.check(m)
}

// ReceiveReady returns all messages up to and including the n-th ReadyForQuery. On error it returns those before it.
func (w *Wire) ReceiveReady(n int) ([]Message, error) {
	var got []Message
	for n > 0 {
		m, err := w.Receive()
		if err != nil {
			return got, err
		}
		got = append(got, m)
		if m.Type == 'Z' {
			n--
		}
	}
	return got, nil
}

// Ask sends messages and returns the replies up to the first ReadyForQuery.
func (w *Wire) Ask(messages ...[]byte) ([]Message, error) {
	if err := w.Send(messages...); err != nil {
		return nil, err
	}
	return w.ReceiveReady(1)
}

// Close says goodbye and closes the connection.
func (w *Wire) Close() error {
	_ = w.Send(Terminate()) // the other side may be gone, which is as good
	return w.conn.Close()
}
