package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func statsCommand() *cobra.Command {
	var flags consoleFlags
	var again bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show what the cache of a running server does, by database and by query",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.login(cmd)
			if err != nil {
				return err
			}
			defer c.close()
			out := cmd.OutOrStdout()
			show := func() error { return showStats(cmd.Context(), c, out, &flags) }
			switch {
			case !again:
				return show()
			case flags.json:
				return watch(cmd.Context(), show)
			}
			return showLive(cmd.Context(), c, &screen{out, isTerminal(out)}, flags.database)
		},
	}
	flags.addTo(cmd)
	cmd.Flags().BoolVar(&again, "watch", false, "show what it does now, every second until Ctrl-C: rates, pools, and the statements that take most time")
	return cmd
}

// showStats writes the numbers once.
func showStats(ctx context.Context, c *console, out io.Writer, flags *consoleFlags) error {
	caches, err := c.ask(ctx, "SHOW CACHE"+onDatabase(flags.database))
	if err != nil {
		return err
	}
	queries, err := c.ask(ctx, "SHOW QUERIES"+onDatabase(flags.database))
	if err != nil {
		return err
	}
	if flags.json {
		return writeJSON(out, map[string]any{"cache": caches.objects(), "queries": queries.objects()})
	}
	if err := caches.print(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return queries.print(out)
}

// watchPeriod is the time from one look to the next.
const watchPeriod = time.Second

// watch calls show at once and then again and again until ctx ends, which is no error.
func watch(ctx context.Context, show func() error) error {
	for {
		if err := show(); err != nil {
			if ctx.Err() != nil {
				return nil // it was interrupted
			}
			return err
		}
		select {
		case <-time.After(watchPeriod):
		case <-ctx.Done():
			return nil
		}
	}
}

// isTerminal says whether a person is looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
