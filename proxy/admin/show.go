package admin

import (
	"strings"
	"time"

	"overdrive/proxy"
)

// This file holds the commands that PgBouncer has too, with its names for the columns. Columns of things that do not exist
// here, such as a reserve pool, are left out unless exporters ask for them.

var (
	poolColumns = columnsOf("database", "user", "#cl_active", "#cl_waiting", "#sv_active", "#sv_idle", "#sv_used", "#sv_tested",
		"#sv_login", "#maxwait", "#maxwait_us", "pool_mode", "#cl_pinned")
	statsColumns = columnsOf("database", "#total_server_assignment_count", "#total_wait_time", "#total_wait_count",
		"#total_wait_timeout_count", "#total_login_count", "#total_login_failure_count", "#total_pinned_wait_count")
	clientColumns = columnsOf("type", "user", "database", "state", "addr", "#remote_pid", "application_name",
		"#prepared_statements", "#id", "pinned")
	databaseColumns = columnsOf("name", "host", "#port", "database", "force_user", "#pool_size", "#min_pool_size",
		"#reserve_pool_size", "#server_lifetime", "pool_mode", "#max_connections", "#current_connections",
		"#current_client_connections", "#paused", "#disabled", "caching")
	listColumns    = columnsOf("list", "#items")
	configColumns  = columnsOf("key", "value", "default", "changeable")
	versionColumns = columnsOf("version")
	helpColumns    = columnsOf("command", "privilege", "meaning")
)

// execute runs a statement if the caller may.
func (c *conn) execute(st *statement) ([][]any, error) {
	if st.command.privilege == statUser && !c.caller.stats {
		return nil, fail(codePrivilege, "permission denied: %s is for users in admin.users and admin.stats_users", st.command.name())
	}
	if st.command.privilege == adminOnly && !c.caller.admin {
		return nil, fail(codePrivilege, "permission denied: %s is for users in admin.users", st.command.name())
	}
	return st.command.run(c, st)
}

func (c *conn) showPools(*statement) ([][]any, error) {
	var rows [][]any
	for _, p := range c.console.proxy.Pools() {
		wait := p.OldestWait.Microseconds()
		rows = append(rows, []any{p.Database, p.User, p.Clients - int64(p.Waiting), int64(p.Waiting), int64(p.Leased), int64(p.Idle), int64(0),
			int64(p.Resetting), int64(p.Dialing), wait / 1e6, wait % 1e6, p.Mode, p.Pinned})
	}
	return rows, nil
}

func (c *conn) showStats(*statement) ([][]any, error) {
	var rows [][]any
	for _, name := range c.console.proxy.DatabaseNames() {
		var sum struct{ acquires, waits, timeouts, dials, failures, pinnedWaits uint64 }
		var wait time.Duration
		for _, p := range c.console.proxy.Pools() {
			if p.Database == name {
				sum.acquires += p.Acquires
				sum.waits += p.Waits
				sum.timeouts += p.Timeouts
				sum.dials += p.Dials
				sum.failures += p.DialFailures
				sum.pinnedWaits += p.PinnedWaits
				wait += p.WaitTime
			}
		}
		rows = append(rows, []any{name, int64(sum.acquires), wait.Microseconds(), int64(sum.waits), int64(sum.timeouts),
			int64(sum.dials), int64(sum.failures), int64(sum.pinnedWaits)})
	}
	return rows, nil
}

func (c *conn) showClients(*statement) ([][]any, error) {
	var rows [][]any
	for _, k := range c.console.proxy.Clients(c.ctx) {
		rows = append(rows, []any{"C", k.User, k.Database, k.State, k.Address, int64(k.Server), k.Application, int64(k.Prepared),
			int64(k.ID), k.Pinned})
	}
	return rows, nil
}

func (c *conn) showDatabases(*statement) ([][]any, error) {
	var rows [][]any
	for _, d := range c.console.proxy.Databases() {
		rows = append(rows, []any{d.Name, d.Host, int64(d.Port), d.Upstream, orNull(d.User), int64(d.Limits.Size),
			int64(d.Limits.MinIdle), int64(0), int64(d.Limits.MaxLifetime.Seconds()), d.Mode, int64(d.Limits.Size),
			int64(d.Servers), d.Clients, int64(0), int64(0), caching(&d)})
	}
	return rows, nil
}

func caching(d *proxy.DatabaseStatus) string {
	if d.CachingEnabled {
		return "on"
	}
	return "off"
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *conn) showLists(*statement) ([][]any, error) {
	var clients, open, idle int64
	pools := c.console.proxy.Pools()
	for _, p := range pools {
		clients += p.Clients
		open += int64(p.Open)
		idle += int64(p.Idle)
	}
	return [][]any{
		{"databases", int64(len(c.console.proxy.DatabaseNames()))},
		{"users", int64(c.console.options.Load().Users)},
		{"pools", int64(len(pools))},
		{"used_clients", clients},
		{"free_servers", idle},
		{"used_servers", open - idle},
		{"console_clients", int64(c.console.places.count())},
	}, nil
}

func (c *conn) showConfig(*statement) ([][]any, error) {
	var rows [][]any
	for _, s := range c.console.options.Load().Config {
		changeable := "no"
		if s.Changeable {
			changeable = "yes"
		}
		rows = append(rows, []any{s.Key, s.Value, s.Default, changeable})
	}
	return rows, nil
}

func (c *conn) showVersion(*statement) ([][]any, error) {
	return [][]any{{"Overdrive " + c.console.options.Load().Version}}, nil
}

func (c *conn) showHelp(*statement) ([][]any, error) {
	var rows [][]any
	for _, k := range commands() {
		rows = append(rows, []any{strings.TrimSpace(k.name() + " " + k.operands), string(k.privilege), k.meaning})
	}
	return rows, nil
}
