package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"overdrive/config"
	"overdrive/proxy/proxytest/pglocal"
)

func demoCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what Overdrive does, on a throwaway PostgreSQL",
		Long: "Start a throwaway PostgreSQL with a small shop in it and Overdrive in front of it, and show what happens to\n" +
			"reads, writes and connections. Every number is measured there and then. Both go on until Ctrl-C.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the tour")
	return cmd
}

// demo gives the tour and then, unless once, waits until ctx ends.
func demo(ctx context.Context, out, errOut io.Writer, once bool) (err error) {
	fmt.Fprintln(out, "Starting PostgreSQL and filling a shop …")
	began := time.Now()
	db, err := pglocal.Start(ctx, pglocal.Options{HBA: demoHBA})
	if err != nil {
		return err // ErrNoBinaries is advice, and stands as it is
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	if err := fillShop(ctx, db); err != nil {
		return fmt.Errorf("fill the shop: %w", err)
	}
	fmt.Fprintf(out, "PostgreSQL is at %s with %d products and %d orders (%.1f s).\n", db.Addr(), demoProducts, demoOrders,
		time.Since(began).Seconds())

	address, stop, err := startDemoProxy(ctx, errOut, demoDSN(db.Addr()))
	if err != nil {
		return err
	}
	defer stop()
	t := &tour{out: out, proxy: demoDSN(address), direct: demoDSN(db.Addr())}
	fmt.Fprintf(out, "Overdrive is at %s, in front of it.\n", address)
	if err := t.walk(ctx); err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	if once {
		fmt.Fprintln(out, "\nThat was all: both stop now, and the shop goes with them. Without --once they stay, for you to try.")
		return nil
	}
	invite(out, t.proxy)
	<-ctx.Done()
	return nil
}

// invite says how to go on alone.
func invite(out io.Writer, dsn string) {
	fmt.Fprintln(out, "\nTry it yourself, and ask SHOW overdrive.status after any statement:")
	if _, err := exec.LookPath("psql"); err == nil {
		fmt.Fprintf(out, "  psql '%s'\n", dsn)
	} else {
		fmt.Fprintf(out, "  %s   (for any client of PostgreSQL: psql is not installed here)\n", dsn)
	}
	fmt.Fprintln(out, "Ctrl-C stops Overdrive and PostgreSQL and removes the shop.")
}

// demoSize is the number of server connections that the demonstration's clients share.
const demoSize = 5

// startDemoProxy runs Overdrive as `serve --connection-string dsn` does, but for a small pool and without the HTTP side.
// It listens on the usual port, or on a free one if that is taken. The caller must call stop.
func startDemoProxy(ctx context.Context, errOut io.Writer, dsn string) (address string, stop func(), err error) {
	cfg, problems := config.FromConnectionString(dsn, nil)
	if len(problems) > 0 {
		return "", nil, problems
	}
	for name, db := range cfg.Databases {
		db.Pool.Size = demoSize
		cfg.Databases[name] = db
	}
	cfg.Log.Level = "warn"
	log := newLogger(errOut, cfg.Log)
	r, err := start(ctx, cfg, origin{}, nil, log)
	if errors.Is(err, syscall.EADDRINUSE) {
		cfg.Listen = []string{"127.0.0.1:0"}
		r, err = start(ctx, cfg, origin{}, nil, log)
	}
	if err != nil {
		log.flush()
		return "", nil, err
	}
	return r.listeners[cfg.Listen[0]].Addr().String(), func() { _ = r.stop(time.Second); log.flush() }, nil
}
