package admin

import (
	"context"

	"overdrive/proxy"
)

// This file holds the commands that change what runs. They mean what they mean in PgBouncer. A database that is not named is each of
// them.

// readName reads [name].
func readName(w *words, st *statement) error {
	if w.done() {
		return nil
	}
	return readOneName(w, st)
}

// readOneName reads a name that must be there.
func readOneName(w *words, st *statement) error {
	name, ok := w.name()
	if !ok || name == "" {
		return st.command.misread(w)
	}
	st.database = name
	return nil
}

func readEnding(w *words, st *statement) error {
	switch {
	case w.accept("wait_for_servers"):
		st.ending = proxy.EndWithServers
	case w.accept("wait_for_clients"):
		st.ending = proxy.EndWithClients
	}
	return nil
}

func readSet(w *words, st *statement) error {
	path, ok := w.path()
	if !ok || !w.punct("=") && !w.accept("to") {
		return st.command.misread(w)
	}
	if st.setting.value, ok = w.value(); !ok {
		return st.command.misread(w)
	}
	st.setting.path = path
	return nil
}

func readID(w *words, st *statement) error {
	id, ok := w.number()
	if !ok {
		return st.command.misread(w)
	}
	st.id = id
	return nil
}

// tell writes to the log who has done what.
func (c *conn) tell(st *statement) {
	attrs := []any{"user", c.caller.user}
	if st.database != "" {
		attrs = append(attrs, "db", st.database)
	}
	c.console.log.Info(st.command.name()+" by an administrator", attrs...)
}

// on makes a command of what is done to a database.
func on(act func(p Proxy, database string) error) func(*conn, *statement) ([][]any, error) {
	return func(c *conn, st *statement) ([][]any, error) {
		c.tell(st)
		return nil, act(c.console.proxy, st.database)
	}
}

// awaiting is on for what takes its time. It is given up when the client hangs up or cancels it.
func awaiting(act func(ctx context.Context, p Proxy, database string) error) func(*conn, *statement) ([][]any, error) {
	return func(c *conn, st *statement) ([][]any, error) {
		c.tell(st)
		ctx, leave := c.attend()
		defer leave()
		return nil, act(ctx, c.console.proxy, st.database)
	}
}

func pause(ctx context.Context, p Proxy, database string) error { return p.Pause(ctx, database) }

func waitClose(ctx context.Context, p Proxy, database string) error {
	return p.WaitClose(ctx, database)
}

func (c *conn) killClient(st *statement) ([][]any, error) {
	c.console.log.Info("KILL_CLIENT by an administrator", "user", c.caller.user, "session", st.id)
	return nil, c.console.proxy.KillClient(st.id)
}

// reload has the program read its configuration again.
func (c *conn) reload(st *statement) ([][]any, error) {
	reload := c.console.options.Load().Reload
	if reload == nil {
		return nil, fail(codeConfigFile, "there is no configuration to reload")
	}
	c.tell(st)
	if err := reload(); err != nil {
		return nil, fail(codeConfigFile, "the configuration stays as it was: %v", err)
	}
	return nil, nil
}

// driverSettings are parameters that drivers set unasked. They mean nothing here, and are accepted from everybody.
var driverSettings = map[string]bool{
	"application_name": true, "client_encoding": true, "client_min_messages": true, "datestyle": true, "default_transaction_isolation": true,
	"extra_float_digits": true, "intervalstyle": true, "standard_conforming_strings": true, "timezone": true,
}

// set changes one key of the configuration until it is read again.
func (c *conn) set(st *statement) ([][]any, error) {
	if len(st.setting.path) == 1 && driverSettings[st.setting.path[0]] {
		return nil, nil
	}
	if !c.caller.admin {
		return nil, fail(codePrivilege, "permission denied: SET is for users in admin.users")
	}
	set := c.console.options.Load().Set
	if set == nil {
		return nil, fail(codeConfigFile, "there is no configuration to change")
	}
	if err := set(st.setting.path, st.setting.value); err != nil {
		return nil, fail(codeInvalidParameter, "%v", err)
	}
	return nil, nil
}

// shutdown has the program end. It does not wait for that.
func (c *conn) shutdown(st *statement) ([][]any, error) {
	shutdown := c.console.options.Load().Shutdown
	if shutdown == nil {
		return nil, fail(codeUnsupported, "there is no program that could end")
	}
	c.tell(st)
	return nil, shutdown(st.ending)
}
