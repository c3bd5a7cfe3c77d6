package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// alteration is a database of the file that is about to be changed.
type alteration struct {
	file      editedFile
	origin    originFlags
	name      string
	cmd       *cobra.Command
	unchecked bool
}

func updateCommand() *cobra.Command {
	a := &alteration{}
	cmd := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a database of the configuration file; a running server follows",
		Long: "Change what the flags name of a database of the configuration file, and nothing else. Where its url changes, the login is\n" +
			"tried first. A running server follows. Passwords of clients, in auth.users, stay as they are.",
		Args: databaseName,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.name, a.cmd = args[0], cmd
			return a.run()
		},
	}
	a.file.addTo(cmd)
	a.origin.addTo(cmd)
	cmd.Flags().BoolVar(&a.unchecked, "skip-check", false, "do not log in to the database")
	return cmd
}

func (a *alteration) run() error {
	if err := a.origin.check(a.cmd); err != nil {
		return err
	}
	if !a.origin.changesURL(a.cmd) && len(a.origin.settings.given(a.cmd)) == 0 {
		return &usageError{errors.New("update needs a flag that says what to change")}
	}
	rehearsed, err := config.Rehearse(a.file.options(), a.change)
	if err != nil {
		return err
	}
	if a.origin.changesURL(a.cmd) && !a.unchecked {
		if _, err = visitDatabase(a.cmd.Context(), rehearsed, a.name); err != nil {
			return err
		}
	}
	written, err := config.Edit(a.file.options(), a.change)
	if err != nil {
		return err
	}
	remarkOnFile(a.cmd.ErrOrStderr(), written, a.file.file())
	if given(a.cmd, "password") || a.origin.passwordStdin {
		remark(a.cmd.ErrOrStderr(), "the password is that of the server; clients log in with those of auth.users, as before")
	}
	db := written.Shown().Databases[a.name]
	shown := show(written, a.name, &db)
	if a.file.json {
		return writeJSON(a.cmd.OutOrStdout(), shown)
	}
	fmt.Fprintf(a.cmd.OutOrStdout(), "updated %s in %s; a running server follows\n\n", a.name, a.file.file())
	return printItems(a.cmd, shown.items(), false)
}

// change writes what the flags name.
func (a *alteration) change(d *config.Draft) error {
	if !d.Has("databases", a.name) {
		cfg, _ := d.Config()
		return unknownDatabase(a.name, cfg)
	}
	if a.origin.changesURL(a.cmd) {
		text, err := a.url(d)
		if err != nil {
			return err
		}
		if err := d.Set(text, "databases", a.name, "url"); err != nil {
			return err
		}
	}
	for _, s := range a.origin.settings.given(a.cmd) {
		if err := d.Set(s.value, "databases", a.name, s.table, s.key); err != nil {
			return err
		}
	}
	return nil
}

// url is the database's url, changed.
func (a *alteration) url(d *config.Draft) (string, error) {
	text, _ := d.Text("databases", a.name, "url")
	where := "its url is not understood"
	if given(a.cmd, "connection-string") {
		text, where = a.origin.connectionString, "--connection-string"
	}
	dsn, err := config.ParseDSN(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", where, err)
	}
	a.origin.apply(a.cmd, dsn, a.file.file())
	return dsn.Reveal(), nil
}
