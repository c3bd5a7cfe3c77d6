// Command worker tries examples/worker: a Worker under wrangler dev, the program with the example's own configuration, and a real
// PostgreSQL. It checks by HTTP what docs/worker.md promises, with each driver, and measures a repeated read beside the same
// Worker straight at PostgreSQL.
//
//	go run ./scripts/worker
//
// The command fails if a check does, or if the Worker's packages cannot be had on this machine, which it says.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const where = "examples/worker"

// drivers are the names by which a request chooses one.
var drivers = []string{"pg", "postgres"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run prints what held and the figures, and returns how many checks failed.
func run(ctx context.Context) (failed int, err error) {
	dir, err := os.MkdirTemp("", "overdrive-worker-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	progress("installing")
	if err := install(ctx); err != nil {
		return 0, fmt.Errorf("not tried: %w", err)
	}
	progress("checking the types")
	if err := shell(ctx, "node_modules/.bin/tsc --noEmit"); err != nil {
		return 0, err
	}
	s, err := setStage(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer s.strike()
	failed = s.tryAll(ctx)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	figures, err := s.measure(ctx)
	if err != nil {
		return 0, fmt.Errorf("measure: %w", err)
	}
	return failed, figures.print(os.Stdout)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
