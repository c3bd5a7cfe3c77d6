package proxy_test

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy"
	"overdrive/proxy/proxytest"
)

// A pairBench is a database of one test's own and a proxy in front of it. Tests do not share one: a change of the catalog
// makes the whole database miss.
type pairBench struct {
	*instance
	pg       *proxytest.Postgres
	database string
}

// startPairs returns once the cache is at work.
func startPairs(t *testing.T, name, sql string, edits ...func(*proxy.Options)) *pairBench {
	t.Helper()
	pg := newDatabase(t, name, sql)
	return startPairsAt(t, pg, pg.Addr(), name, edits...)
}

// startPairsAt is startPairs for a database that there is already, by way of upstream.
func startPairsAt(t *testing.T, pg *proxytest.Postgres, upstream, name string, edits ...func(*proxy.Options)) *pairBench {
	t.Helper()
	in := start(t, setup{upstream: upstream, database: name, size: 4, caching: true, options: func(o *proxy.Options) {
		for _, edit := range edits {
			edit(o)
		}
	}})
	b := &pairBench{instance: in, pg: pg, database: name}
	prime(t, b.connect(t, name), "select 1")
	return b
}

// A clientPair is a client of the proxy and one of the server itself, who say the same.
type clientPair struct{ through, real *pgconn.PgConn }

// pair logs both in, with the same edits.
func (b *pairBench) pair(t *testing.T, edits ...func(*pgconn.Config)) *clientPair {
	t.Helper()
	host, port, err := net.SplitHostPort(b.pg.Addr())
	if err != nil {
		t.Fatal(err)
	}
	past := func(c *pgconn.Config) {
		c.Host = host
		_, _ = fmt.Sscan(port, &c.Port)
	}
	return &clientPair{
		through: b.connect(t, b.database, edits...),
		real:    b.connect(t, b.database, append(slices.Clone(edits), past)...),
	}
}

// do has both say something in the simple protocol, and fails the test unless they hear the same.
func (p *clientPair) do(t *testing.T, sql string) {
	t.Helper()
	p.as(t, "simple", sql)
}

// as has both ask in one form, fails the test unless they hear the same, and returns it.
func (p *clientPair) as(t *testing.T, form, sql string) string {
	t.Helper()
	want, wantErr := askers[form](t, p.real, sql)
	got, err := askers[form](t, p.through, sql)
	if got != want || state(err) != state(wantErr) {
		t.Errorf("%s (%s) gets %q, %v (%s), want %q, %v", sql, form, got, err, status(t, p.through), want, wantErr)
	}
	return got
}

// hit asks in one form until the answer comes from the cache, and fails the test if it is another than the server's. It ends
// the test at once if the query is refused.
func (p *clientPair) hit(t *testing.T, form, sql string) string {
	t.Helper()
	var got string
	await(t, fmt.Sprintf("a hit for %s (%s)", sql, form), func() bool {
		got = p.as(t, form, sql)
		word := status(t, p.through)
		if !slices.Contains(onTheWay, word) {
			t.Fatalf("%s (%s) is %s because of %q, want it to become a hit", sql, form, word, reasonOf(t, p.through))
		}
		return word == "hit"
	})
	return got
}

// hits fails the test unless all queries become hits in all forms.
func (p *clientPair) hits(t *testing.T, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for form := range askers {
			p.hit(t, form, sql)
		}
	}
}

// hitsAtOnce fails the test unless each query, which the cache must know by now, is a hit in all forms when first asked.
func (p *clientPair) hitsAtOnce(t *testing.T, queries ...string) {
	t.Helper()
	for _, sql := range queries {
		for form := range askers {
			p.as(t, form, sql)
			if word := status(t, p.through); word != "hit" {
				t.Errorf("%s (%s) is %s, want a hit at once", sql, form, word)
			}
		}
	}
}

// right fails the test unless all queries, cached or not, are answered three times in all forms as the server does.
func (p *clientPair) right(t *testing.T, queries ...string) {
	t.Helper()
	for range 3 {
		for _, sql := range queries {
			for form := range askers {
				p.as(t, form, sql)
			}
		}
	}
}

// never is right, and fails the test if any query is answered from the cache.
func (p *clientPair) never(t *testing.T, queries ...string) {
	t.Helper()
	for range 3 {
		for _, sql := range queries {
			for form := range askers {
				p.as(t, form, sql)
				if word := status(t, p.through); slices.Contains(onTheWay, word) && word != "unsettled" && word != "transaction" {
					t.Errorf("%s (%s) is %s, want the cache not to be asked", sql, form, word)
				}
			}
		}
	}
}

// wantApart fails the test unless each of two clients who ask the same is answered from the cache, with an answer of its
// own: what the server says to it.
func wantApart(t *testing.T, sql string, a, b *clientPair) {
	t.Helper()
	for _, form := range []string{"simple", "text"} {
		theirs := b.hit(t, form, sql)
		mine := a.as(t, form, sql)
		if word := status(t, a.through); word == "hit" {
			t.Errorf("%s (%s) is a hit for a client with another setting", sql, form)
		}
		if mine == theirs {
			t.Errorf("%s (%s) is %q under both settings, so this proves nothing", sql, form, mine)
		}
	}
	for form := range askers {
		a.hit(t, form, sql)
		b.hit(t, form, sql)
		a.hit(t, form, sql)
	}
}

// wirePair are a client of the proxy and one of the server itself, who must be sent the same messages, byte for byte.
type wirePair struct{ through, real *proxytest.Wire }

func (b *pairBench) wires(t *testing.T) *wirePair {
	t.Helper()
	return &wirePair{b.dial(t, proxytest.Login{User: "postgres", Database: b.database}), b.pg.Dial(b.database)}
}

// status says what became of the last statement. It is a simple Query, which destroys the unnamed statement.
func (w *wirePair) status(t *testing.T) string {
	t.Helper()
	return wireStatus(t, w.through)
}

func wireStatus(t *testing.T, w *proxytest.Wire) string {
	t.Helper()
	got, err := w.Ask(proxytest.Query("show overdrive.status"))
	if err != nil || len(got) != 4 {
		t.Fatalf("the status is %v, %v", got, err)
	}
	return string(got[1].Body[6:])
}

// same sends messages on both sides and fails the test unless the same comes back, as far as the ReadyForQuery of the last
// Query or Sync. It returns that.
func (w *wirePair) same(t *testing.T, messages ...[]byte) []proxytest.Message {
	t.Helper()
	ready := 0
	for _, m := range messages {
		if m[0] == 'Q' || m[0] == 'S' {
			ready++
		}
	}
	return w.compare(t, messages, func(c *proxytest.Wire) ([]proxytest.Message, error) { return c.ReceiveReady(ready) })
}

// sameUntil is same for messages that no ReadyForQuery ends: the answers are as many as types names, of these types.
func (w *wirePair) sameUntil(t *testing.T, types string, messages ...[]byte) {
	t.Helper()
	got := w.compare(t, messages, func(c *proxytest.Wire) (got []proxytest.Message, err error) {
		for len(got) < len(types) && err == nil {
			var m proxytest.Message
			m, err = c.Receive()
			got = append(got, m)
		}
		return got, err
	})
	if s := typesOf(got); s != types {
		t.Errorf("got messages %s, want %s", s, types)
	}
}

func (w *wirePair) compare(t *testing.T, messages [][]byte, receive func(*proxytest.Wire) ([]proxytest.Message, error)) []proxytest.Message {
	t.Helper()
	var sides [2][]proxytest.Message
	for i, c := range []*proxytest.Wire{w.real, w.through} {
		err := c.Send(messages...)
		if err == nil {
			sides[i], err = receive(c)
		}
		if err != nil {
			t.Fatalf("side %d: %v after %v", i, err, sides[i])
		}
	}
	if want, got := bytesOf(sides[0]), bytesOf(sides[1]); !bytes.Equal(got, want) {
		t.Errorf("got\n\t%.2000v\nwant\n\t%.2000v", sides[1], sides[0])
	}
	return sides[1]
}

// hits is same, again and again until the last statement of messages is answered from the cache. It ends the test at once if
// the cache is not asked.
func (w *wirePair) hits(t *testing.T, messages ...[]byte) []proxytest.Message {
	t.Helper()
	var got []proxytest.Message
	await(t, fmt.Sprintf("a hit for %q", bytes.Join(messages, nil)), func() bool {
		got = w.same(t, messages...)
		word := w.status(t)
		if !slices.Contains(onTheWay, word) {
			t.Fatalf("%q is %s, want it to become a hit", bytes.Join(messages, nil), word)
		}
		return word == "hit"
	})
	return got
}

// hitsAtOnce is same for what the cache must know by now.
func (w *wirePair) hitsAtOnce(t *testing.T, messages ...[]byte) {
	t.Helper()
	w.same(t, messages...)
	if word := w.status(t); word != "hit" {
		t.Errorf("%q is %s, want a hit at once", bytes.Join(messages, nil), word)
	}
}
