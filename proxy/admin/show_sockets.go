package admin

import (
	"fmt"
	"net"
	"time"

	"overdrive/proxy"
)

// This file shows connections: SHOW CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS. An ID is larger than PgBouncer's, so it is an int8.

var (
	socketNames = []string{"type", "user", "database", "replication", "state", "addr", ":port", "local_addr", ":local_port",
		"connect_time", "request_time", ":wait", ":wait_us", ":close_needed", "ptr", "link", ":remote_pid", "tls", "application_name",
		":prepared_statements", "#id"}
	clientColumns = columnsOf(join(socketNames, "#server_pid", "pinned")...)
	serverColumns = columnsOf(socketNames...)
	socketColumns = columnsOf(join(socketNames, ":recv_pos", ":pkt_pos", ":pkt_remain", ":send_pos", ":send_remain", ":pkt_avail",
		":send_avail")...)
)

func join(names []string, more ...string) []string {
	return append(names[:len(names):len(names)], more...)
}

func (c *conn) showClients(*statement) ([][]any, error) {
	var rows [][]any
	for _, k := range c.console.proxy.Clients(c.ctx) {
		rows = append(rows, append(clientRow(&k, k.State), int64(k.Server), k.Pinned))
	}
	return rows, nil
}

func (c *conn) showServers(*statement) ([][]any, error) {
	var rows [][]any
	for _, s := range c.console.proxy.Servers(c.ctx) {
		rows = append(rows, serverRow(&s, s.State))
	}
	return rows, nil
}

func (c *conn) showSockets(*statement) ([][]any, error) {
	return c.sockets(func(proxy.Wire) bool { return true }), nil
}

// showActiveSockets shows those on which bytes are on their way.
func (c *conn) showActiveSockets(*statement) ([][]any, error) {
	return c.sockets(func(w proxy.Wire) bool { return w.Kept+w.Left+w.Pending > 0 }), nil
}

func (c *conn) sockets(shown func(proxy.Wire) bool) (rows [][]any) {
	for _, k := range c.console.proxy.Clients(c.ctx) {
		state := "cl_active" // idle ones, too, as PgBouncer has it
		if k.State == "waiting" {
			state = "cl_waiting"
		}
		if shown(k.Wire) {
			rows = append(rows, append(clientRow(&k, state), buffers(k.Wire)...))
		}
	}
	for _, s := range c.console.proxy.Servers(c.ctx) {
		if shown(s.Wire) {
			rows = append(rows, append(serverRow(&s, "sv_"+s.State), buffers(s.Wire)...))
		}
	}
	return rows
}

// buffers are the last columns of SHOW SOCKETS. There are no buffers of a fixed size here, so positions in them are 0.
func buffers(w proxy.Wire) []any {
	return []any{int64(0), int64(0), int64(w.Left), int64(0), int64(0), int64(w.Kept), int64(w.Pending)}
}

func clientRow(k *proxy.ClientStatus, state string) []any {
	wait := k.Waits.Microseconds()
	row := wireRow("C", k.User, k.Database, state, &k.Wire)
	return append(row, wait/1e6, wait%1e6, int64(0), ptr(k.ID), ptr(k.Link), int64(0), k.TLS, k.Application, int64(k.Prepared), int64(k.ID))
}

func serverRow(s *proxy.ServerStatus, state string) []any {
	row := wireRow("S", s.User, s.Database, state, &s.Wire)
	return append(row, int64(0), int64(0), flag(s.CloseNeeded), ptr(s.ID), ptr(s.Link), int64(s.PID), s.TLS, s.Application,
		int64(s.Prepared), int64(s.ID))
}

// wireRow is the columns up to request_time, which is NULL while nothing is asked.
func wireRow(typ, user, database, state string, w *proxy.Wire) []any {
	addr, port := ends(w.Address)
	localAddr, localPort := ends(w.Local)
	return []any{typ, user, database, "none", state, addr, port, localAddr, localPort, moment(w.Since), moment(w.Asked)}
}

// ends takes an address apart as PgBouncer does.
func ends(a net.Addr) (addr any, port any) {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.String(), int64(a.Port)
	case *net.UnixAddr:
		return "unix", int64(0)
	}
	return nil, nil
}

// ptr writes an ID as PgBouncer writes the place of an object in memory, which is the same for as long as the object is there.
func ptr(id uint64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%#x", id)
}

// moment is a time as PgBouncer writes it, in UTC.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST")
}
