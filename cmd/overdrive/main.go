// Command overdrive is a proxy for PostgreSQL that pools connections and answers repeated SELECTs from a cache.
//
// This package is the only one that sees all the others: it reads the configuration, builds the parts from it and wires
// them. One file per subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// Exit codes, as the manual promises them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr)) }

// untilSignal returns a context that ends with the first SIGTERM or Ctrl-C.
//
// Invariant: when the context has ended, a further signal ends the process, as it does by default.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// run is the whole program but for the process around it: it returns the exit code. Commands that go on for ever go on
// until ctx ends.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	within(flushLimit, func() { report(errOut, err) }) // which blocks where nobody reads it
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// within runs f, and leaves it behind when limit is over.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// report writes why the program failed; of a bad configuration, each problem on a line of its own.
func report(w io.Writer, err error) {
	var problems config.Problems
	if !errors.As(err, &problems) {
		fmt.Fprintf(w, "overdrive: %v\n", err)
		return
	}
	for _, p := range problems {
		fmt.Fprintf(w, "overdrive: %v\n", p)
	}
}

// usageError marks a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + " (see overdrive help)" }
func (e *usageError) Unwrap() error { return e.err }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "overdrive",
		Short:         "A self-hosted proxy for PostgreSQL: pooled connections, cached reads",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("unknown command %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(serveCommand(), checkCommand(), demoCommand(), explainCommand(), purgeCommand(), statsCommand(), adviseCommand(),
		healthcheckCommand(), createCommand(), getCommand(), listCommand(), updateCommand(), deleteCommand(),
		importCommand(), completionCommand(), manCommand(), versionCommand())
	return root
}

// noArguments refuses what stands behind a command that takes flags only.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}
