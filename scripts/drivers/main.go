// Command drivers runs a scenario with each driver and framework of testdata/drivers, at its own defaults, against the real
// program with fewer servers than clients, and prints a table of what became of it. docs/drivers.md says what the scenario is
// and how to read the table.
//
//	go run ./scripts/drivers                  all of them
//	go run ./scripts/drivers Django asyncpg   those with these words in their names
//
// A driver that cannot be installed on this machine is named and counts for nothing. The command fails if one that is installed
// does, or if there is none.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const (
	clients = 8
	servers = 3
	where   = "testdata/drivers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "drivers:", err)
		os.Exit(1)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run prints the table, and returns how many drivers failed.
func run(ctx context.Context, words []string) (failed int, err error) {
	dir, err := os.MkdirTemp("", "overdrive-drivers-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	s, err := setStage(ctx, dir, where+"/schema.sql")
	if err != nil {
		return 0, err
	}
	defer s.postgres.Stop()
	var outcomes []outcome
	for _, l := range languages {
		chosen := l.named(words)
		if len(chosen) == 0 {
			continue
		}
		progress("%s: installing", l.name)
		missing, broken := l.prepare(ctx)
		for _, d := range chosen {
			o := outcome{driver: d.name, missing: missing, broken: broken}
			if missing == nil && broken == nil {
				progress("%s", d.name)
				o = s.try(ctx, l, d)
			}
			if o.missing != nil {
				progress("%s is not installed: %v", d.name, o.missing)
			}
			outcomes = append(outcomes, o)
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	if len(outcomes) == 0 {
		return 0, fmt.Errorf("no driver is called anything like %s", strings.Join(words, ", "))
	}
	return conclude(os.Stdout, outcomes)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
