package postgres

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"overdrive/proxy"
	"overdrive/proxy/postgres/pgwire"
)

func TestRefusals_AreCountedByKnownWords(t *testing.T) {
	s := newTrusting(t)
	for want, why := range map[string]error{
		refusedFull:     proxy.ErrNoDescriptor,
		refusedPassword: refuse(pgwire.CodeInvalidPassword, "no"),
		refusedDatabase: fmt.Errorf("wrapped: %w", refuse(pgwire.CodeInvalidCatalogName, "no")),
		refusedUser:     refuse(pgwire.CodeInvalidAuthorization, "no"),
		refusedProtocol: refuse(pgwire.CodeProtocolViolation, "no"),
		refusedSettings: refuse(pgwire.CodeInvalidParameter, "no"),
		refusedShutdown: refuse(pgwire.CodeAdminShutdown, "no"),
		refusedLost:     io.EOF,
		refusedOther:    refuse("P0001", "no"),
	} {
		if got := refusalWord(why); got != want {
			t.Errorf("%v: %q, want %q", why, got, want)
		}
		s.countRefusal(why)
	}
	s.countRefusal(errors.New("anything"))
	for _, of := range s.Refusals() {
		want := uint64(1)
		if of.Word == refusedLost {
			want = 2
		}
		if of.N != want {
			t.Errorf("%s: %d, want %d", of.Word, of.N, want)
		}
	}
}
