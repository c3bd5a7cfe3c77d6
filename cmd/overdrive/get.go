package main

import (
	"github.com/spf13/cobra"

	"overdrive/config"
)

func getCommand() *cobra.Command {
	var file editedFile
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Show a database of the configuration file, without its password",
		Args:  databaseName,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := config.Read(file.options())
			if err != nil {
				return err
			}
			cfg := d.Shown()
			db, known := cfg.Databases[args[0]]
			if !known {
				return unknownDatabase(args[0], cfg)
			}
			shown := show(d, args[0], &db)
			if file.json {
				return writeJSON(cmd.OutOrStdout(), shown)
			}
			return printItems(cmd, shown.items(), false)
		},
	}
	file.addTo(cmd)
	return cmd
}
