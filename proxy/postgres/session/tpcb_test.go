//go:build !race

package session

import (
	"fmt"
	"slices"
	"testing"

	"overdrive/proxy/proxytest"
)

// BenchmarkSession_TPCB is one transaction of pgbench's TPC-B without its sockets: what the proxy itself costs, with a cache
// that cannot help and without.
func BenchmarkSession_TPCB(b *testing.B) {
	for _, cache := range []bool{false, true} {
		b.Run(fmt.Sprintf("cache=%v", cache), func(b *testing.B) {
			st := newStageWithout(setup{cache: cache})
			c, v := st.connect("client"), st.broker.newServer()
			s := c.session
			s.driver, v.conn.driver = &lone{c.driver, v.conn}, keeps{v}
			s.client, v.conn.peer = &sink{}, &sink{}
			done := func(tag string, status byte) []byte {
				return slices.Concat(proxytest.CommandComplete(tag), proxytest.ReadyForQuery(status))
			}
			b.ReportAllocs()
			for i := range b.N {
				for _, x := range []struct {
					sql    string
					answer []byte
				}{
					{"BEGIN;", done("BEGIN", 'T')},
					{fmt.Sprintf("UPDATE t0 SET a = a + %d WHERE b = %d;", i, i), done("UPDATE 1", 'T')},
					{fmt.Sprintf("SELECT a FROM t0 WHERE b = %d;", i),
						slices.Concat(proxytest.TextRow("a"), proxytest.DataRow([]byte("1")), done("SELECT 1", 'T'))},
					{fmt.Sprintf("UPDATE t1 SET a = a + %d WHERE b = %d;", i, i), done("UPDATE 1", 'T')},
					{fmt.Sprintf("UPDATE t2 SET a = a + %d WHERE b = %d;", i, i), done("UPDATE 1", 'T')},
					{fmt.Sprintf("INSERT INTO t3 (a, b, c, d, e) VALUES (%d, %d, %d, %d, CURRENT_TIMESTAMP);", i, i, i, i), done("INSERT 0 1", 'T')},
					{"END;", done("COMMIT", 'I')},
				} {
					s.OnData(proxytest.Query(x.sql))
					for len(st.posts) > 0 { // a verdict
						f := st.posts[0]
						st.posts = st.posts[1:]
						f()
					}
					v.conn.OnData(x.answer)
				}
			}
			if s.srv != nil || s.state != ready {
				b.Fatal("the transaction did not come to its end")
			}
		})
	}
}
