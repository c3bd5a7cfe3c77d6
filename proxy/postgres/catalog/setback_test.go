package catalog

import (
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

func TestSetback_IsAsLongAsItIsGoodFor(t *testing.T) {
	refusal := func(code string) error { return fmt.Errorf("login: %w", &upstream.ServerError{Code: code}) }
	dial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	read := fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET})
	for name, c := range map[string]struct {
		err             error
		connected, late bool
		alone, among    time.Duration // the pause, at most, without clients and with them
		ends            bool          // when a login of the pool succeeds
	}{
		"refused":                  {err: dial, alone: mostRetry, among: outageRetry, ends: true},
		"starting up":              {err: refusal("57P03"), alone: mostRetry, among: outageRetry, ends: true},
		"no answer to a login":     {err: dial, late: true, alone: mostRetry, among: outageRetry, ends: true},
		"reset":                    {err: read, connected: true, alone: mostRetry, among: outageRetry, ends: true},
		"hung up":                  {err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), connected: true, alone: mostRetry, among: outageRetry, ends: true},
		"too many connections":     {err: refusal(pgwire.CodeTooManyConnections), alone: shutOutRetry, among: shutOutRetry},
		"every connection is held": {err: &pool.WaitTimeoutError{}, alone: outageRetry, among: outageRetry},
		"a server without room":    {err: &pool.WaitTimeoutError{LastDial: refusal(pgwire.CodeTooManyConnections)}, alone: shutOutRetry, among: shutOutRetry},
		"a server that is away":    {err: &pool.WaitTimeoutError{LastDial: dial}, alone: mostRetry, among: outageRetry, ends: true},
		"wrong password":           {err: refusal("28P01"), alone: mostRetry, among: mostRetry, ends: true},
		"broken off":               {err: read, connected: true, late: true, alone: mostRetry, among: mostRetry},
		"statement_timeout":        {err: refusal("57014"), connected: true, alone: mostRetry, among: mostRetry},
		"an answer that is wrong":  {err: io.ErrNoProgress, connected: true, alone: mostRetry, among: mostRetry},
	} {
		company := new(company)
		k := New(Options{Identity: new(session.Identity), Company: company})
		f := &failure{kind: kindOf(c.err, c.connected, c.late), error: c.err}
		for clients, want := range map[int64]time.Duration{0: c.alone, 1: c.among} {
			company.present.Store(clients)
			pause, signal := k.retry(t.Context(), f, mostRetry)
			if pause != want || (signal != nil) != c.ends {
				t.Errorf("%s, %d clients: waits %v, ended by a login: %v; want %v, %v", name, clients, pause, signal != nil, want, c.ends)
			}
			if pause, _ := k.retry(t.Context(), f, 2*lookPause); pause != 2*lookPause {
				t.Errorf("%s: waits %v after the first failure", name, pause)
			}
		}
	}
}

// A look that was broken off has longer the next time, so it need not wait longer and longer as well; and clients may have stopped
// waiting at any time.
func TestSetback_AfterALookThatWasBrokenOffIsAsLongAsTheNextMayLastAndNeverLong(t *testing.T) {
	k := New(Options{Identity: new(session.Identity), Company: new(company), Shelf: new(Shelf)})
	k.trust = trust{limit: time.Hour, looked: time.Now()}
	var pauses []time.Duration
	for range 5 {
		k.grace.double()
		pause, _ := k.retry(t.Context(), k.fail(brokenOff, io.ErrUnexpectedEOF), mostRetry)
		pauses = append(pauses, pause)
	}
	want := []time.Duration{2 * time.Second, 4 * time.Second, shutOutRetry, shutOutRetry, shutOutRetry}
	if !slices.Equal(pauses, want) {
		t.Errorf("got %v, want %v", pauses, want)
	}
}

func TestGrace_IsEnoughForALookAsSlowAsThoseBefore(t *testing.T) {
	var g grace
	g.begin(0)
	for _, look := range []struct{ took, want time.Duration }{
		{3 * time.Second, 6 * time.Second},
		{time.Millisecond, 3 * time.Second},
		{2 * time.Second, 4 * time.Second},
		{20 * time.Second, 10 * time.Second},
	} {
		if g.fit(look.took); g.now != look.want {
			t.Errorf("after a look of %v the next has %v, want %v", look.took, g.now, look.want)
		}
	}
	for range 10 {
		g.fit(0)
	}
	if g.now != leastGrace {
		t.Errorf("after quick looks the next has %v", g.now)
	}
}
