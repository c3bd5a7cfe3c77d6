//go:build !race

package pgwire

import "testing"

func TestHotPath_DoesNotAllocate(t *testing.T) {
	query := AppendString(nil, Query, "select 1")
	bind := []byte("portal\x00statement\x00\x00\x00\x00\x00\x00\x00")
	parse := []byte("s\x00select 1\x00\x00\x00")
	buf := make([]byte, 0, 256)
	var in Inbox
	for name, f := range map[string]func(){
		"PeekHeader":       func() { PeekHeader(query, 100) },
		"SplitQuery":       func() { SplitQuery(query[HeaderLen:]) },
		"SplitBind":        func() { SplitBind(bind) },
		"SplitParse":       func() { SplitParse(parse) },
		"SplitExecute":     func() { SplitExecute([]byte{0, 0, 0, 0, 0}) },
		"SplitTarget":      func() { SplitTarget([]byte{'S', 0}) },
		"AppendBindHead":   func() { AppendBindHead(buf, nil, "statement", 6) },
		"AppendParse":      func() { AppendParse(buf, "statement", parse) },
		"AppendReady":      func() { AppendReady(buf, TxIdle) },
		"Inbox when empty": func() { in.Keep(in.Join(query)[len(query):]) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}
