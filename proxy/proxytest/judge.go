package proxytest

import (
	"bytes"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A judge has pgproto3 decode each message that one side of a connection says: whether a message is well-formed is then not for
// those to say who wrote the proxy.
type judge struct {
	said   bytes.Buffer
	decode func() error
}

// judgeServer judges what a server says.
func judgeServer() *judge {
	j := &judge{}
	f := pgproto3.NewFrontend(&j.said, nil)
	j.decode = func() error { _, err := f.Receive(); return err }
	return j
}

// judgeClient judges what a client says once it is logged in.
func judgeClient() *judge {
	j := &judge{}
	b := pgproto3.NewBackend(&j.said, nil)
	j.decode = func() error { _, err := b.Receive(); return err }
	return j
}

// check returns an error for a message that is malformed.
func (j *judge) check(m Message) error {
	j.said.Write(m.Bytes())
	if err := j.decode(); err != nil {
		return fmt.Errorf("%v is malformed: %w", m, err)
	}
	return nil
}
