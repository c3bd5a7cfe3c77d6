package rig

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
)

// A PairBench is a database of one test's own and a proxy in front of it. Tests do not share one: a change of the catalog
// makes the whole database miss.
type PairBench struct {
	*Instance
	Pg       *proxytest.Postgres
	Database string
}

// StartPairs returns once the cache is at work.
func StartPairs(t *testing.T, name, sql string, edits ...func(*Options)) *PairBench {
	t.Helper()
	pg := NewDatabase(t, name, sql)
	return StartPairsAt(t, pg, pg.Addr(), name, edits...)
}

// StartPairsAt is startPairs for a database that there is already, by way of upstream.
func StartPairsAt(t *testing.T, pg *proxytest.Postgres, upstream, name string, edits ...func(*Options)) *PairBench {
	t.Helper()
	in := Start(t, Setup{Upstream: upstream, Database: name, Size: 4, Caching: true, Options: func(o *Options) {
		for _, edit := range edits {
			edit(o)
		}
	}})
	b := &PairBench{Instance: in, Pg: pg, Database: name}
	Prime(t, b.Connect(t, name), "select 1")
	return b
}

// A ClientPair is a client of the proxy and one of the server itself, who say the same.
type ClientPair struct{ Through, Real *pgconn.PgConn }

// Pair logs both in, with the same edits.
func (b *PairBench) Pair(t *testing.T, edits ...func(*pgconn.Config)) *ClientPair {
	t.Helper()
	host, port, err := net.SplitHostPort(b.Pg.Addr())
	if err != nil {
		t.Fatal(err)
	}
	past := func(c *pgconn.Config) {
		c.Host = host
		_, _ = fmt.Sscan(port, &c.Port)
	}
	return &ClientPair{
		Through: b.Connect(t, b.Database, edits...),
		Real:    b.Connect(t, b.Database, append(slices.Clone(edits), past)...),
	}
}

// Do has both say something in the simple protocol, and fails the test unless they hear the same.
func (p *ClientPair) Do(t *testing.T, sql string) {
	t.Helper()
	p.As(t, "simple", sql)
}

// As has both ask in one form, fails the test unless they hear the same, and returns it.
func (p *ClientPair) As(t *testing.T, form, sql string) string {
	t.Helper()
	want, wantErr := Askers[form](t, p.Real, sql)
	got, err := Askers[form](t, p.Through, sql)
	if got != want || State(err) != State(wantErr) {
		t.Errorf("%s (%s) gets %q, %v (%s), want %q, %v", sql, form, got, err, Status(t, p.Through), want, wantErr)
	}
	return got
}

// Hit asks in one form until the answer comes from the cache, and fails the test if it is another than the server's. It ends
// the test at once if the query is refused.
func (p *ClientPair) Hit(t *testing.T, form, sql string) string {
	t.Helper()
	var got string
	Await(t, fmt.Sprintf("a hit for %s (%s)", sql, form), func() bool {
		got = p.As(t, form, sql)
		word := Status(t, p.Through)
		if !slices.Contains(OnTheWay, word) {
			t.Fatalf("%s (%s) is %s because of %q, want it to become a hit", sql, form, word, ReasonOf(t, p.Through))
		}
		return word == "hit"
	})
	return got
}

// Hits fails the test unless all queries become Hits in all forms.
func (p *ClientPair) Hits(t *testing.T, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for form := range Askers {
			p.Hit(t, form, sql)
		}
	}
}

// HitsAtOnce fails the test unless each query, which the cache must know by now, is a hit in all forms when first asked.
func (p *ClientPair) HitsAtOnce(t *testing.T, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for form := range Askers {
			p.As(t, form, sql)
			if word := Status(t, p.Through); word != "hit" {
				t.Errorf("%s (%s) is %s, want a hit at once", sql, form, word)
			}
		}
	}
}

// Right fails the test unless all queries, cached or not, are answered three times in all forms as the server does.
func (p *ClientPair) Right(t *testing.T, queries ...string) {
	t.Helper()
	for range 3 {
		for _, sql := range queries {
			for form := range Askers {
				p.As(t, form, sql)
			}
		}
	}
}

// Never is right, and fails the test if any query is answered from the cache.
func (p *ClientPair) Never(t *testing.T, queries ...string) {
	t.Helper()
	for range 3 {
		for _, sql := range queries {
			for form := range Askers {
				p.As(t, form, sql)
				if word := Status(t, p.Through); slices.Contains(Asked, word) {
					t.Errorf("%s (%s) is %s, want the cache not to be asked", sql, form, word)
				}
			}
		}
	}
}

// WantApart fails the test unless each of two clients who ask the same is answered from the cache, with an answer of its
// own: what the server says to it.
func WantApart(t *testing.T, sql string, a, b *ClientPair) {
	t.Helper()
	for _, form := range []string{"simple", "text"} {
		theirs := b.Hit(t, form, sql)
		mine := a.As(t, form, sql)
		if word := Status(t, a.Through); word == "hit" {
			t.Errorf("%s (%s) is a hit for a client with another setting", sql, form)
		}
		if mine == theirs {
			t.Errorf("%s (%s) is %q under both settings, so this proves nothing", sql, form, mine)
		}
	}
	for form := range Askers {
		a.Hit(t, form, sql)
		b.Hit(t, form, sql)
		a.Hit(t, form, sql)
	}
}

// WirePair are a client of the proxy and one of the server itself, who must be sent the same messages, byte for byte.
type WirePair struct{ Through, Real *proxytest.Wire }

// Wires logs a client of the proxy and one of the server in, who speak bytes.
func (b *PairBench) Wires(t *testing.T) *WirePair {
	t.Helper()
	return &WirePair{b.Dial(t, proxytest.Login{User: "postgres", Database: b.Database}), b.Pg.Dial(b.Database)}
}

// Status says what became of the last statement. It is a simple Query, which destroys the unnamed statement.
func (w *WirePair) Status(t *testing.T) string {
	t.Helper()
	return WireStatus(t, w.Through)
}

// WireStatus says what became of a client's last statement. It is a simple Query, which destroys the unnamed statement.
func WireStatus(t *testing.T, w *proxytest.Wire) string {
	t.Helper()
	got, err := w.Ask(proxytest.Query("show overdrive.status"))
	if err != nil || len(got) != 4 {
		t.Fatalf("the status is %v, %v", got, err)
	}
	return string(got[1].Body[6:])
}

// Same sends messages on both sides and fails the test unless the Same comes back, as far as the ReadyForQuery of the last
// Query or Sync. It returns that.
func (w *WirePair) Same(t *testing.T, messages ...[]byte) []proxytest.Message {
	t.Helper()
	ready := 0
	for _, m := range messages {
		if m[0] == 'Q' || m[0] == 'S' {
			ready++
		}
	}
	return w.compare(t, messages, func(c *proxytest.Wire) ([]proxytest.Message, error) { return c.ReceiveReady(ready) })
}

// SameUntil is same for messages that no ReadyForQuery ends: the answers are as many as types names, of these types.
func (w *WirePair) SameUntil(t *testing.T, types string, messages ...[]byte) {
	t.Helper()
	got := w.compare(t, messages, func(c *proxytest.Wire) (got []proxytest.Message, err error) {
		for len(got) < len(types) && err == nil {
			var m proxytest.Message
			m, err = c.Receive()
			got = append(got, m)
		}
		return got, err
	})
	if s := TypesOf(got); s != types {
		t.Errorf("got messages %s, want %s", s, types)
	}
}

func (w *WirePair) compare(t *testing.T, messages [][]byte, receive func(*proxytest.Wire) ([]proxytest.Message, error)) []proxytest.Message {
	t.Helper()
	var sides [2][]proxytest.Message
	for i, c := range []*proxytest.Wire{w.Real, w.Through} {
		err := c.Send(messages...)
		if err == nil {
			sides[i], err = receive(c)
		}
		if err != nil {
			t.Fatalf("side %d: %v after %v", i, err, sides[i])
		}
	}
	if want, got := BytesOf(sides[0]), BytesOf(sides[1]); !bytes.Equal(got, want) {
		t.Errorf("got\n\t%.2000v\nwant\n\t%.2000v", sides[1], sides[0])
	}
	return sides[1]
}

// Hits is same, again and again until the last statement of messages is answered from the cache. It ends the test at once if
// the cache is not asked.
func (w *WirePair) Hits(t *testing.T, messages ...[]byte) []proxytest.Message {
	t.Helper()
	var got []proxytest.Message
	Await(t, fmt.Sprintf("a hit for %q", bytes.Join(messages, nil)), func() bool {
		got = w.Same(t, messages...)
		word := w.Status(t)
		if !slices.Contains(OnTheWay, word) {
			t.Fatalf("%q is %s, want it to become a hit", bytes.Join(messages, nil), word)
		}
		return word == "hit"
	})
	return got
}

// HitsAtOnce is same for what the cache must know by now.
func (w *WirePair) HitsAtOnce(t *testing.T, messages ...[]byte) {
	t.Helper()
	w.Same(t, messages...)
	if word := w.Status(t); word != "hit" {
		t.Errorf("%q is %s, want a hit at once", bytes.Join(messages, nil), word)
	}
}
