package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
	"overdrive/querycache/sqlscan/hostile"
)

// streams are what a client may send, of about n bytes, so that what it has sent already is looked through again and again.
var streams = []hostile.Text{
	{Name: "a query", Make: func(n int) string { return string(proxytest.Query(padded(n))) }},
	{Name: "a query of signs", Make: func(n int) string { return string(proxytest.Query("select " + strings.Repeat("+", n) + "1")) }},
	{Name: "a text and its parameters", Make: func(n int) string {
		return inOrder(proxytest.Parse("", padded(min(n, 40<<10)/2)), bindOf("", n/2), proxytest.Execute("", 0), proxytest.Sync())
	}},
	{Name: "parameters of a known text", Make: func(n int) string {
		return inOrder(proxytest.Parse("s", padded(30)), proxytest.Sync(), bindOf("s", n), proxytest.Execute("", 0), proxytest.Sync())
	}},
	{Name: "messages behind an answer", Make: func(n int) string {
		return inOrder(proxytest.Parse("", padded(100)), bindOf("", 10), proxytest.Execute("", 0),
			slices.Repeat(proxytest.CloseName('S', "x"), n/8), proxytest.Sync())
	}},
	{Name: "texts behind an answer", Make: func(n int) string {
		return inOrder(proxytest.Parse("", padded(100)), bindOf("", 10), proxytest.Execute("", 0),
			slices.Repeat(proxytest.Parse("", padded(30)), n/40), proxytest.Sync())
	}},
	{Name: "a name without an end", Make: func(n int) string { return inOrder(openParse(n)) }},
	{Name: "names that are taken", Make: func(n int) string {
		var b []byte
		for range 2 {
			for i := range n / 100 {
				b = append(b, proxytest.Parse(fmt.Sprintf("%s%06d", strings.Repeat("n", 30), i), "")...)
			}
		}
		return inOrder(b, proxytest.Sync())
	}},
	{Name: "batches", Make: func(n int) string { return inOrder(slices.Repeat(proxytest.Sync(), n/5)) }},
	{Name: "settings", Make: func(n int) string {
		return inOrder(slices.Repeat(proxytest.Query("set a.b = 1"), n/17))
	}},
}

func inOrder(parts ...[]byte) string { return string(slices.Concat(parts...)) }

// padded is a query of n bytes whose answer may be kept.
func padded(n int) string { return "select * from t /*" + strings.Repeat(" ", max(0, n-20)) + "*/" }

func bindOf(name string, n int) []byte {
	return proxytest.Bind("", name, [][]byte{make([]byte, n)}, nil, nil)
}

// openParse is a Parse whose name fills it, as far as it is sent.
func openParse(n int) []byte {
	return append([]byte{'P', 0, 8, 0, 0}, strings.Repeat("n", n)...)
}

// feed has a session of its own read a stream in pieces of a size, with a server that never answers.
func feed(b []byte, size int) {
	st := newStageWithout(setup{cache: true})
	st.fail = func(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
	c := st.connect("client")
	v := st.broker.newServer()
	s := c.session
	s.driver, v.conn.driver = &lone{c.driver, v.conn}, keeps{v}
	s.client, v.conn.peer = &sink{}, &sink{}
	for piece := range slices.Chunk(b, size) {
		s.OnData(piece)
		for len(st.posts) > 0 { // a verdict
			f := st.posts[0]
			st.posts = st.posts[1:]
			f()
		}
	}
}

func TestSession_TimePerByteDoesNotBend(t *testing.T) {
	for name, size := range map[string]int{"at once": 64 << 10, "in small pieces": 100, "byte by byte": 1} {
		t.Run(name, func(t *testing.T) {
			for _, stream := range streams {
				t.Run(stream.Name, func(t *testing.T) {
					hostile.CheckText(t, stream, func(b []byte) { feed(b, size) })
				})
			}
		})
	}
}
