package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// purgeFlags say what is dropped: one of them.
type purgeFlags struct {
	table, tag, query string
	all               bool
}

func purgeCommand() *cobra.Command {
	var flags consoleFlags
	var what purgeFlags
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Have a running server drop cached answers",
		Long: "Have a running server drop cached answers: those that read a table, those with a tag, those to a query, or all.\n" +
			"When the command is done, none of them is served any more.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			command, err := what.command()
			if err != nil {
				return err
			}
			c, err := flags.login(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			answer, err := c.ask(cmd.Context(), command+onDatabase(flags.database))
			if err != nil {
				return err
			}
			if flags.json {
				return writeJSON(cmd.OutOrStdout(), answer.objects())
			}
			for _, row := range answer.rows {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: purged %s\n", row[0], row[1])
			}
			return nil
		},
	}
	flags.addTo(cmd)
	f := cmd.Flags()
	f.StringVar(&what.table, "table", "", "answers that read this table: name or schema.name, quoted as in SQL")
	f.StringVar(&what.tag, "tag", "", "answers with this tag")
	f.StringVar(&what.query, "query", "", "answers to statements of this fingerprint")
	f.BoolVar(&what.all, "all", false, "all answers")
	return cmd
}

// command returns the console's command for the flags.
func (p *purgeFlags) command() (string, error) {
	if !exactlyOne(p.table != "", p.tag != "", p.query != "", p.all) {
		return "", &usageError{errors.New("purge needs one of --table, --tag, --query and --all")}
	}
	switch {
	case p.table != "":
		return "PURGE TABLE " + p.table, nil
	case p.tag != "":
		return "PURGE TAG " + literal(p.tag), nil
	case p.query != "":
		return "PURGE QUERY " + literal(p.query), nil
	}
	return "PURGE ALL", nil
}
