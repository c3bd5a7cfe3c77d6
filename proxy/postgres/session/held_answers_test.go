package session

import (
	"bytes"
	"slices"
	"testing"

	"overdrive/proxy/proxytest"
)

// TestSession_AnswerThatAClientHasNotReadStaysInTheBudget has a client not read a large hit while the answer is purged and others take
// its place. The memory is free when the client has read, or is gone, and not before.
func TestSession_AnswerThatAClientHasNotReadStaysInTheBudget(t *testing.T) {
	for name, end := range map[string]func(*testClient){
		"read":  func(c *testClient) { c.peer.unstick() },
		"reset": func(c *testClient) { c.peer.broken = errTestReset; c.peer.stage.settle() },
		"left":  func(c *testClient) { c.peer.eof = true; c.peer.stage.settle(); c.peer.unstick() },
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, setup{cache: true})
			filler, slow := st.connect("filler"), st.connect("slow")
			reply := func(b byte) []byte {
				return slices.Concat(proxytest.TextRow("a"), proxytest.DataRow(bytes.Repeat([]byte{b}, 200<<10)),
					proxytest.CommandComplete("SELECT 1"), proxytest.ReadyForQuery('I'))
			}
			filler.sends(proxytest.Query("select a from t"))
			st.server("server").sends(reply('x'))
			one := st.store.UsedBytes()
			slow.peer.got, slow.peer.stuck = nil, true
			slow.sends(proxytest.Query("select a from t"))
			st.identity.Cache.Purge()
			if got := st.store.UsedBytes(); got != one || st.store.HeldBytes() != one {
				t.Errorf("%d bytes used, %d held, want %d: the client has not read", got, st.store.HeldBytes(), one)
			}
			filler.sends(proxytest.Query("select b from t"))
			st.server("server").sends(reply('y'))
			end(slow)
			if got := slow.peer.got; name == "read" && !bytes.Equal(got, reply('x')) {
				t.Errorf("the client got %d bytes of %d, or another's", len(got), len(reply('x')))
			}
			if got := st.store.UsedBytes(); got != one || st.store.HeldBytes() != 0 {
				t.Errorf("%d bytes used, %d held, want %d, that of the other answer", got, st.store.HeldBytes(), one)
			}
		})
	}
}
