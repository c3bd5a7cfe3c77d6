package admin

import (
	"cmp"
	"slices"
	"strings"

	"overdrive/proxy"
)

// This file and its neighbours show_*.go hold the commands that PgBouncer has too, with its names, order and types of columns, as of version
// 1.25. Columns of things that do not exist here are 0 or NULL. What is ours stands at the end.

var (
	poolColumns = columnsOf("database", "user", ":cl_active", ":cl_waiting", ":cl_active_cancel_req", ":cl_waiting_cancel_req",
		":sv_active", ":sv_active_cancel", ":sv_being_canceled", ":sv_idle", ":sv_used", ":sv_tested", ":sv_login", ":maxwait",
		":maxwait_us", "pool_mode", "load_balance_hosts", "#cl_pinned")
	databaseColumns = columnsOf("name", "host", ":port", "database", "force_user", ":pool_size", ":min_pool_size",
		":reserve_pool_size", ":server_lifetime", "pool_mode", "load_balance_hosts", ":max_connections", ":current_connections",
		":max_client_connections", ":current_client_connections", ":paused", ":disabled", "caching")
	userColumns = columnsOf("name", "pool_size", "reserve_pool_size", "pool_mode", ":max_user_connections", ":current_connections",
		":max_user_client_connections", ":current_client_connections")
	listColumns    = columnsOf("list", ":items")
	stateColumns   = columnsOf("key", "value")
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
		wait, cancels := p.OldestWait.Microseconds(), p.Cancels
		rows = append(rows, []any{p.Database, p.User, p.Clients - int64(p.Waiting), int64(p.Waiting), cancels, int64(0),
			int64(p.Leased), cancels, int64(0), int64(p.Idle), int64(0), int64(p.Resetting), int64(p.Dialing), wait / 1e6,
			wait % 1e6, p.Mode, nil, p.Pinned})
	}
	return rows, nil
}

func (c *conn) showDatabases(*statement) ([][]any, error) {
	var rows [][]any
	for _, d := range c.console.proxy.Databases() {
		most := int64(0) // each server user has a pool of its own
		if d.User != "" {
			most = int64(d.Limits.Size)
		}
		rows = append(rows, []any{d.Name, d.Host, int64(d.Port), d.Upstream, orNull(d.User), int64(d.Limits.Size),
			int64(d.Limits.MinIdle), int64(0), int64(d.Limits.MaxLifetime.Seconds()), d.Mode, nil, most, int64(d.Servers), int64(0),
			d.Clients, flag(d.Paused), flag(d.Disabled), onOff(d.CachingEnabled)})
	}
	return rows, nil
}

// flag is a truth as PgBouncer has it.
func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func onOff(is bool) string {
	if is {
		return "on"
	}
	return "off"
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// presence is how often a user is there.
type presence struct{ servers, clients int64 }

// users are those of the configuration, and whoever else is there, be it at a server.
func (c *conn) users() map[string]*presence {
	users := make(map[string]*presence)
	at := func(name string) *presence {
		if users[name] == nil {
			users[name] = new(presence)
		}
		return users[name]
	}
	for _, name := range c.console.options.Load().Users {
		at(name)
	}
	for _, p := range c.console.proxy.Pools() {
		at(p.User).servers += int64(p.Open)
	}
	for _, k := range c.console.proxy.Clients(c.ctx) {
		at(k.User).clients++
	}
	return users
}

func (c *conn) showUsers(*statement) ([][]any, error) {
	var rows [][]any
	for name, u := range c.users() {
		rows = append(rows, []any{name, nil, nil, nil, int64(0), u.servers, int64(0), u.clients})
	}
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[0].(string), b[0].(string)) })
	return rows, nil
}

func (c *conn) showLists(*statement) ([][]any, error) {
	var clients, open int64
	pools := c.console.proxy.Pools()
	for _, p := range pools {
		clients += p.Clients
		open += int64(p.Open)
	}
	var rows [][]any
	for _, list := range []struct {
		name  string
		items int64
	}{
		{"databases", int64(len(c.console.proxy.DatabaseNames()))},
		{"users", int64(len(c.users()))},
		{"peers", 0}, {"pools", int64(len(pools))}, {"peer_pools", 0},
		{"free_clients", 0}, {"used_clients", clients}, {"login_clients", int64(c.console.proxy.LoggingIn())},
		{"free_servers", 0}, {"used_servers", open},
		{"dns_names", 0}, {"dns_zones", 0}, {"dns_queries", 0}, {"dns_pending", 0},
		{"console_clients", int64(c.console.places.count())},
	} {
		rows = append(rows, []any{list.name, list.items})
	}
	return rows, nil
}

// showState says paused if all databases are.
func (c *conn) showState(*statement) ([][]any, error) {
	databases := c.console.proxy.Databases()
	paused := len(databases) > 0 && !slices.ContainsFunc(databases, func(d proxy.DatabaseStatus) bool { return !d.Paused })
	return [][]any{
		{"active", yesNo(!paused)}, {"paused", yesNo(paused)}, {"suspended", "no"}, {"shutting_down", yesNo(c.console.proxy.IsShut())},
	}, nil
}

// bouncerSettings are keys of ours by the names that exporters for PgBouncer look for.
var bouncerSettings = map[string]string{"limits.max_clients": "max_client_conn"}

func (c *conn) showConfig(*statement) ([][]any, error) {
	var rows, theirs [][]any
	for _, s := range c.console.options.Load().Config {
		rows = append(rows, []any{s.Key, s.Value, s.Default, yesNo(s.Changeable)})
		if name := bouncerSettings[s.Key]; name != "" {
			theirs = append(theirs, []any{name, s.Value, s.Default, yesNo(s.Changeable)})
		}
	}
	return append(append(rows, theirs...), []any{"max_user_connections", "0", "0", "no"}), nil
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
