//go:build !race

package session

import (
	"fmt"
	"slices"
	"testing"

	"overdrive/proxy/proxytest"
)

// BenchmarkSession_Select is one read by primary key without its sockets, in each protocol of pgbench: what the proxy itself costs.
// With a cache each answer is kept already.
func BenchmarkSession_Select(b *testing.B) {
	// As many keys as pgbench takes turns with, so that its simple protocol has many texts of one shape.
	const keys = 512
	complete, key := func(typ byte) []byte { return []byte{typ, 0, 0, 0, 4} }, func(i int) [][]byte { return [][]byte{fmt.Appendf(nil, "%d", 10000+i)} }
	execute := func(i int) []byte {
		return slices.Concat(proxytest.Bind("", "", key(i), nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync())
	}
	for _, p := range []struct {
		name     string
		setUp    [2][]byte
		question func(i int) []byte
		answer   []byte
	}{
		{"simple", [2][]byte{}, func(i int) []byte { return proxytest.Query(fmt.Sprintf("SELECT a FROM t0 WHERE b = %d;", 10000+i)) }, selectOne()},
		{"extended", [2][]byte{}, func(i int) []byte {
			return slices.Concat(proxytest.Parse("", "SELECT a FROM t0 WHERE b = $1;"), execute(i))
		}, slices.Concat(complete('1'), complete('2'), selectOne())},
		{"prepared", [2][]byte{
			slices.Concat(proxytest.Parse("P_0", "SELECT a FROM t0 WHERE b = $1;"), proxytest.Sync()),
			slices.Concat(complete('1'), proxytest.ReadyForQuery('I')),
		}, func(i int) []byte {
			return slices.Concat(proxytest.Bind("", "P_0", key(i), nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0), proxytest.Sync())
		}, slices.Concat(complete('2'), selectOne())},
	} {
		questions := make([][]byte, keys)
		for i := range questions {
			questions[i] = p.question(i)
		}
		for _, cache := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/cache=%v", p.name, cache), func(b *testing.B) {
				exchange := newExchangeOver(newStageWithout(setup{cache: cache}), b)
				if p.setUp[0] != nil {
					exchange(p.setUp[0], p.setUp[1])
				}
				for _, q := range questions {
					exchange(q, p.answer)
				}
				answer := p.answer
				if cache {
					answer = nil
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					exchange(questions[i%keys], answer)
				}
			})
		}
	}
}
