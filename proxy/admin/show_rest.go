package admin

import (
	"runtime/metrics"

	"overdrive/proxy"
)

// This file shows memory, and what PgBouncer has and nobody has here.

var (
	// Sizes are beyond PgBouncer's int4.
	memColumns      = columnsOf("name", "#size", "#used", "#free", "#memtotal")
	peerColumns     = columnsOf(":peer_id", "host", ":port", ":pool_size")
	peerPoolColumns = columnsOf(":peer_id", ":cl_active_cancel_req", ":cl_waiting_cancel_req", ":sv_active_cancel", ":sv_login")
	hostColumns     = columnsOf("hostname", "#ttl", "addrs")
	zoneColumns     = columnsOf("zonename", "#serial", ":count")
)

// showMem counts in bytes, so the size of one piece is 1.
func (c *conn) showMem(*statement) ([][]any, error) {
	var rows [][]any
	for _, m := range append(c.console.proxy.Memory(), runtimeMemory()...) {
		rows = append(rows, []any{m.Name, int64(1), m.Used, m.Free, m.Used + m.Free})
	}
	return rows, nil
}

// runtimeMemory is what the Go runtime has of the system. The cache is outside of it.
func runtimeMemory() []proxy.MemoryStatus {
	of := func(name string) int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/" + name + ":bytes"}}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return int64(sample[0].Value.Uint64())
	}
	stacks := of("heap/stacks") + of("os-stacks")
	heap, free := of("heap/objects"), of("heap/unused")+of("heap/free")
	return []proxy.MemoryStatus{
		{Name: "go_heap", Used: heap, Free: free}, {Name: "go_stacks", Used: stacks},
		{Name: "go_other", Used: of("total") - of("heap/released") - heap - free - stacks},
	}
}

// showNothing shows what there is none of.
func (c *conn) showNothing(*statement) ([][]any, error) { return nil, nil }

func (c *conn) showFDs(*statement) ([][]any, error) {
	return nil, fail(codeUnsupported, "SHOW FDS hands sockets over to another process, which is not possible here; SHOW SOCKETS lists them")
}

func (c *conn) suspend(*statement) ([][]any, error) {
	return nil, fail(codeUnsupported, "SUSPEND prepares for handing sockets over to another process, which is not possible here; PAUSE keeps clients waiting")
}
