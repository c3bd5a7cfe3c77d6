package session

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// announced is the header of a message with a body of n bytes.
func announced(typ byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{typ}, uint32(n+4))
}

// What must be whole is refused by what its header announces: nothing of it is collected.
func TestServerConn_RefusesByItsHeaderWhatIsTooLargeToKeep(t *testing.T) {
	for _, typ := range []byte{pgwire.CommandComplete, pgwire.ParameterStatus, pgwire.ReadyForQuery} {
		t.Run(string(typ), func(t *testing.T) {
			st := newStage(t, setup{})
			v := st.broker.newServer()
			v.sends(announced(typ, maxHeldReply+1))
			if !v.peer.closed {
				t.Errorf("the connection lives on, with %d bytes kept", v.conn.in.Len())
			}
		})
	}
}

// An error is passed on piece by piece where it is too large to be looked into.
func TestServerConn_KeepsNothingOfALongError(t *testing.T) {
	st := newStage(t, setup{})
	c := st.connect("client")
	c.sends(proxytest.Query("select 1"))
	v := st.servers[0]
	v.sends(announced(pgwire.ErrorResponse, 10*maxHeldReply), make([]byte, 5*maxHeldReply))
	if got := v.conn.in.Len(); got > 0 {
		t.Errorf("%d bytes are kept", got)
	}
}

func TestServerConn_BoundsTheParametersThatItKeeps(t *testing.T) {
	st := newStage(t, setup{})
	v := st.broker.newServer()
	for i := range 20 {
		v.sends(proxytest.ParameterStatus(fmt.Sprint("p", i), strings.Repeat("x", maxHeldReply/10)))
	}
	if !v.peer.closed {
		t.Error("a server may report ten times what is kept of one parameter")
	}
}
