package main

import (
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"overdrive/config"
)

func listCommand() *cobra.Command {
	var file editedFile
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the databases of the configuration file",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := config.Read(file.options())
			if err != nil {
				return err
			}
			cfg := d.Shown()
			all := []shownDatabase{}
			for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
				db := cfg.Databases[name]
				all = append(all, show(d, name, &db))
			}
			if file.json {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			return listTable(all).print(cmd.OutOrStdout())
		},
	}
	file.addTo(cmd)
	return cmd
}

func listTable(all []shownDatabase) *table {
	t := &table{columns: []string{"name", "user", "host", "port", "database", "caching", "limit", "pool_mode"}}
	for _, s := range all {
		var row [][]byte
		for _, cell := range []string{
			s.Name, s.Origin.User, s.Origin.Host, strconv.Itoa(s.Origin.Port), s.Origin.Database, s.Caching.String(), strconv.Itoa(s.Limit), s.Mode,
		} {
			row = append(row, []byte(cell))
		}
		t.rows = append(t.rows, row)
	}
	return t
}
