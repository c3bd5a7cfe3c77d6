package pgauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// serveOne is the smallest server that a driver will log in to.
func serveOne(nc net.Conn, a *Authenticator, method Method, secret Secret) error {
	defer func() { _ = nc.Close() }()
	b := pgproto3.NewBackend(nc, nc)
	startup, err := b.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	e := a.NewExchange(method, startup.(*pgproto3.StartupMessage).Parameters["user"], secret)
	for reply := e.Start(); !e.Done(); {
		if reply != nil {
			if _, err := nc.Write(frame('R', reply)); err != nil {
				return err
			}
		}
		_, body, err := readFrame(nc)
		if err != nil {
			return err
		}
		if reply, err = e.Next(body); err != nil {
			b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: err.Error()})
			return errors.Join(err, b.Flush())
		}
		if e.Done() && reply != nil {
			if _, err := nc.Write(frame('R', reply)); err != nil {
				return err
			}
		}
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{1, 2, 3, 4}})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	return b.Flush()
}

func TestExchange_LetsPgconnIn(t *testing.T) {
	for _, password := range []string{"secret", "пароль", "p,=w"} {
		for _, method := range []Method{MethodTrust, MethodPassword, MethodMD5, MethodSCRAM} {
			for _, given := range []string{password, password + "!"} {
				config, err := pgconn.ParseConfig("host=nowhere user=app dbname=shop sslmode=disable")
				if err != nil {
					t.Fatal(err)
				}
				config.Password = given
				served := make(chan error, 1)
				config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
				config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() {
						served <- serveOne(server, NewAuthenticator(Options{}), method, mustPlain(t, password))
					}()
					return client, nil
				}
				conn, err := pgconn.ConnectConfig(t.Context(), config)
				serveErr := <-served
				want := given == password || method == MethodTrust
				if got := err == nil && serveErr == nil; got != want {
					t.Errorf("%v, password %q, given %q: got client %v, server %v", method, password, given, err, serveErr)
				}
				if conn != nil {
					_ = conn.Close(t.Context())
				}
			}
		}
	}
}

func frame(typ byte, body []byte) []byte {
	n := len(body) + 4
	return append([]byte{typ, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

func readFrame(nc net.Conn) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[3])<<8 | int(head[4])
	if n < 4 {
		return 0, nil, fmt.Errorf("frame of %d bytes", n)
	}
	body := make([]byte, n-4)
	_, err := io.ReadFull(nc, body)
	return head[0], body, err
}
