package rig

import (
	"bytes"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// Asked are the statuses of a statement for which the cache was asked.
var Asked = []string{"miss", "coalesced", "stale", "hit"}

// OnTheWay are the statuses on the way to a hit. After a statement that came while the catalog was not known the server is
// asked what it has set, and who does not wait for that is said to be in a transaction; while such a server is held, the cache is not
// asked because of the state of the session.
var OnTheWay = append([]string{"transaction", "session-state", "unsettled"}, Asked...)

// QueryUnit is one query of the extended protocol without its Sync: Parse, Bind, Describe of the portal, Execute.
func QueryUnit(sql string, params ...[]byte) []byte {
	return slices.Concat(proxytest.Parse("", sql), proxytest.Bind("", "", params, nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0))
}

// BytesOf returns messages as they were on the wire.
func BytesOf(messages []proxytest.Message) (all []byte) {
	for _, m := range messages {
		all = append(all, m.Bytes()...)
	}
	return all
}

// TypesOf returns the types of messages.
func TypesOf(messages []proxytest.Message) (types string) {
	for _, m := range messages {
		types += string(m.Type)
	}
	return types
}

// ReasonOf returns why the client's last statement was passed by.
func ReasonOf(t *testing.T, c *pgconn.PgConn) string {
	t.Helper()
	return Ask(t, c, "show overdrive.reason")
}

// WantNoError fails the test if one of the messages is an ErrorResponse.
func WantNoError(t *testing.T, got []proxytest.Message) {
	t.Helper()
	for _, m := range got {
		if m.Type == pgwire.ErrorResponse {
			t.Fatal(m)
		}
	}
}

// Converse sends messages and returns all up to the last ReadyForQuery.
func Converse(t *testing.T, w *proxytest.Wire, messages ...[]byte) []proxytest.Message {
	t.Helper()
	ready := 0
	for _, m := range messages {
		for len(m) > 0 { // messages may be joined
			if m[0] == 'Q' || m[0] == 'S' {
				ready++
			}
			n := 1 + (int(m[1])<<24 | int(m[2])<<16 | int(m[3])<<8 | int(m[4]))
			m = m[n:]
		}
	}
	if err := w.Send(bytes.Join(messages, nil)); err != nil {
		t.Fatal(err)
	}
	got, err := w.ReceiveReady(ready)
	if err != nil {
		t.Fatal(got, err)
	}
	return got
}
