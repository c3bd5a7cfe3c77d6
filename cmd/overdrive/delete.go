package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"overdrive/config"
)

func deleteCommand() *cobra.Command {
	var file editedFile
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Take a database out of the configuration file; a running server follows",
		Long: "Take a database out of the configuration file, with the comment right above it and what is indented below it. A running\n" +
			"server follows: the database's clients finish what is open. Users and their passwords stay in the file.",
		Args: databaseName,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := config.Edit(file.options(), func(d *config.Draft) error {
				if !d.Has("databases", args[0]) {
					cfg, _ := d.Config()
					return unknownDatabase(args[0], cfg)
				}
				return d.Remove("databases", args[0])
			})
			if err != nil {
				return err
			}
			remarkOnFile(cmd.ErrOrStderr(), d, file.file())
			if file.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"deleted": args[0], "config": file.file()})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted %s from %s; a running server follows\n", args[0], file.file())
			return nil
		},
	}
	file.addTo(cmd)
	return cmd
}
