package upstream

import (
	"errors"
	"testing"

	"overdrive/proxy/postgres/pgwire"
)

// A message that is no row is refused by its header, before anything is taken for it.
func TestQuery_RefusesByItsHeaderALongMessageThatIsNoRow(t *testing.T) {
	for _, typ := range []byte{'C', 'S', 'T', 'E', 'N', 'Z'} {
		s := script(string(pgwire.AppendHeader(nil, typ, maxResult/2)))
		if _, err := (&Conn{NC: s}).Query("select"); !errors.Is(err, pgwire.ErrLength) {
			t.Errorf("type %q: got %v, want %v", typ, err, pgwire.ErrLength)
		}
	}
}
