package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func adviseCommand() *cobra.Command {
	var flags consoleFlags
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Ask a running server what would make its most costly queries cheaper",
		Long: "Ask a running server what would make its most costly queries cheaper: the cache, an index, or one statement in place of many.\n" +
			"PostgreSQL is asked for plans, and runs nothing.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.login(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			done := waiting(cmd.ErrOrStderr(), "asking for plans, ten seconds for each database at most …")
			answer, err := c.ask(cmd.Context(), "SHOW ADVICE"+onDatabase(flags.database))
			done()
			if err != nil {
				return err
			}
			if flags.json {
				return writeJSON(cmd.OutOrStdout(), answer.objects())
			}
			return printAdvice(cmd.OutOrStdout(), answer)
		},
	}
	flags.addTo(cmd)
	return cmd
}

// waiting tells a person that it takes a while. The function that it returns takes that back.
func waiting(w io.Writer, text string) (done func()) {
	if !isTerminal(w) {
		return func() {}
	}
	fmt.Fprint(w, text)
	return func() { fmt.Fprint(w, "\r\x1b[K") } // to the start of the line, clear it
}

// printAdvice writes a table for people, with each advice whole below its row: what is to be written must not be shortened.
func printAdvice(w io.Writer, t *table) error {
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(w, "There is nothing to advise: no query is costly, or none of what is known here would help.")
		return err
	}
	last := len(t.columns) - 1
	short := &table{columns: t.columns[:last]}
	for _, row := range t.rows {
		short.rows = append(short.rows, row[:last])
	}
	var text strings.Builder
	if err := short.print(&text); err != nil {
		return err
	}
	for i, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		if i > 0 {
			if _, err := fmt.Fprintln(w, "    "+strings.Join(strings.Fields(string(t.rows[i-1][last])), " ")); err != nil {
				return err
			}
		}
	}
	return nil
}
