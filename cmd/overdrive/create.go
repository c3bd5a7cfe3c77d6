package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// creation is a database that is about to be written into the file.
type creation struct {
	file   editedFile
	origin originFlags
	name   string
	dsn    *config.DSN
	table  config.Table

	unchecked bool // nobody has tried the login
	visit     *visit
}

func createCommand() *cobra.Command {
	c := &creation{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Put a database into the configuration file; a running server follows",
		Long: "Log in to a database, say what was found there, put it into the configuration file under the name that clients connect\n" +
			"to, and show the connection string for them. A running server follows; a file that is not there is made. Clients log in\n" +
			"with the user and password of the database, which are put into auth.users unless the user is there. Without a password\n" +
			"PGPASSWORD is used, if it is set.",
		Args: databaseName,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.name = args[0]
			if err := c.prepare(cmd); err != nil {
				return err
			}
			return c.run(cmd)
		},
	}
	c.file.addTo(cmd)
	c.origin.addTo(cmd)
	cmd.Flags().BoolVar(&c.unchecked, "skip-check", false, "do not log in to the database")
	return cmd
}

// prepare makes the database of the flags.
func (c *creation) prepare(cmd *cobra.Command) (err error) {
	if err := c.origin.check(cmd); err != nil {
		return err
	}
	if !given(cmd, "connection-string") && !given(cmd, "host") {
		return &usageError{errors.New("create needs either --connection-string or --host")}
	}
	c.dsn = config.NewDSN()
	if given(cmd, "connection-string") {
		if c.dsn, err = config.ParseDSN(c.origin.connectionString); err != nil {
			return fmt.Errorf("--connection-string: %w", err)
		}
	}
	c.origin.apply(cmd, c.dsn, c.file.file())
	passwordVariable(c.dsn)
	c.table = append(config.Table{{Key: "url", Value: c.dsn.Reveal()}}, tables(c.origin.settings.given(cmd))...)
	return nil
}

func (c *creation) run(cmd *cobra.Command) error {
	rehearsed, err := config.Rehearse(c.file.options(), c.change)
	if err != nil {
		return err
	}
	if !c.unchecked {
		if c.visit, err = visitDatabase(cmd.Context(), rehearsed, c.name); err != nil {
			return err
		}
	}
	written, err := config.Edit(c.file.options(), c.change)
	if err != nil {
		return err
	}
	remarkOnFile(cmd.ErrOrStderr(), written, c.file.file())
	known := c.knowsPassword(written)
	if !known && c.dsn.HasPassword() && c.asksForPasswords(written) {
		remark(cmd.ErrOrStderr(), "clients log in with the password that auth.users or auth.users_file has, which is not the one given")
	}
	client := clientDSN(written.Shown(), c.name, c.dsn, known)
	if c.file.json {
		return writeJSON(cmd.OutOrStdout(), c.object(client))
	}
	c.print(cmd, client)
	return nil
}

// change puts the database into the file, and its user, if nobody could log in otherwise.
func (c *creation) change(d *config.Draft) error {
	if d.Has("databases", c.name) {
		return fmt.Errorf("the database %s is there already: overdrive update %s changes it", c.name, c.name)
	}
	alone := *d
	if err := alone.Set(c.table, "databases", c.name); err != nil {
		return err
	}
	cfg := alone.Shown()
	user := cfg.Databases[c.name].Upstream.User
	_, known := cfg.Auth.Users[user]
	if secret, ok := c.dsn.Secret(); ok && user != "" && !known && cfg.Auth.Method != config.AuthTrust {
		if err := d.Set(secret, "auth", "users", user); err != nil {
			return err
		}
	}
	return d.Set(c.table, "databases", c.name)
}

// knowsPassword says whether clients log in with the password that was given just now.
func (c *creation) knowsPassword(d *config.Draft) bool {
	user := d.Shown().Databases[c.name].Upstream.User
	secret, ok := c.dsn.Secret()
	text, found := d.Text("auth", "users", user)
	return ok && found && text == secret
}

// asksForPasswords says whether clients have to have one.
func (c *creation) asksForPasswords(d *config.Draft) bool {
	return d.Shown().Auth.Method != config.AuthTrust
}

// print says for people what was done.
func (c *creation) print(cmd *cobra.Command, client string) {
	out := cmd.OutOrStdout()
	if c.visit != nil {
		fmt.Fprintf(out, "server   %s\ncache    %s\n", c.visit.server(), c.visit.cache())
	}
	fmt.Fprintf(out, "written  %s in %s; a running server follows, else: overdrive serve --config %s\n", c.name, c.file.file(), c.file.file())
	fmt.Fprintf(out, "\nClients connect with\n\n  %s\n\nand in wrangler.jsonc\n\n%s\n", client, wranglerLines(c.name, client))
}

// object says the same for programs.
func (c *creation) object(client string) map[string]any {
	o := map[string]any{
		"name": c.name, "config": c.file.file(), "connection_string": client, "checked": c.visit != nil && c.visit.found != nil,
		"wrangler": map[string]any{"hyperdrive": []wranglerBinding{bindingOf(c.name, client)}},
	}
	if c.visit != nil {
		c.visit.addTo(o)
	}
	return o
}
