package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func explainCommand() *cobra.Command {
	var flags consoleFlags
	var verify bool
	cmd := &cobra.Command{
		Use:   "explain SQL",
		Short: "Ask a running server whether a statement would be cached, for how long, and if not, why",
		Args:  oneArgument("the statement"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.login(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			command := "EXPLAIN CACHE "
			if verify {
				command += "VERIFY "
			}
			answer, err := c.ask(cmd.Context(), command+literal(args[0])+onDatabase(flags.database))
			if err != nil {
				return err
			}
			return printItems(cmd, answer, flags.json)
		},
	}
	flags.addTo(cmd)
	cmd.Flags().BoolVar(&verify, "verify", false, "compare with what PostgreSQL itself makes of the statement, which is not run")
	return cmd
}

// valueOf is the value of an item for programs: numbers are numbers, and times are seconds, as get and list have them. All else is text, also
// where it has digits alone, as a fingerprint may.
func valueOf(item, text string) any {
	switch item {
	case "calls", "hits", "entries":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "max_age", "stale_while_revalidate", "age":
		if d, err := time.ParseDuration(text); err == nil {
			return d.Seconds()
		}
	}
	return text
}

// printItems writes a table of names and values, one a line.
func printItems(cmd *cobra.Command, t *table, asJSON bool) error {
	if asJSON {
		object := make(map[string]any, len(t.rows))
		for _, row := range t.rows {
			object[string(row[0])] = valueOf(string(row[0]), string(row[1]))
		}
		return writeJSON(cmd.OutOrStdout(), object)
	}
	width := 0
	for _, row := range t.rows {
		width = max(width, len(row[0]))
	}
	for _, row := range t.rows {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-*s  %s\n", width, row[0], row[1]); err != nil {
			return err
		}
	}
	return nil
}
