package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	targets  []string
	modes    []string
	clients  []int
	rounds   int
	duration time.Duration
	scale    int
	keys     int
	pool     int
	threads  int
	idle     int
	herd     int
	entries  int
	programs
	out string
}

// programs are those that are measured, where others than usual are.
type programs struct {
	overdrive string
	before    string // an older one, beside it
	pgbouncer string
	scrape    bool // the one that is no older one is asked for its metrics every second
}

func main() {
	opts, err := parseFlags(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "overdrive-bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "overdrive-bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	var targets, modes, clients string
	flags := flag.NewFlagSet("overdrive-bench", flag.ExitOnError)
	flags.StringVar(&targets, "targets", "direct,pgbouncer,overdrive,redis", "what is measured")
	flags.StringVar(&modes, "modes", strings.Join(allModes, ","), "workloads; see docs/benchmarks.md")
	flags.StringVar(&clients, "clients", "1,16,128", "numbers of clients")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each is measured; the table shows medians")
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "how long each measurement takes, in whole seconds")
	flags.IntVar(&o.scale, "scale", 10, "pgbench's scale: 100000 rows each")
	flags.IntVar(&o.keys, "keys", 1000, "different statements of the cached workload")
	flags.IntVar(&o.pool, "pool", 20, "server connections of each pooler")
	flags.IntVar(&o.threads, "threads", 2, "most threads of pgbench and redis-benchmark")
	flags.IntVar(&o.idle, "idle", 0, "measure the memory of this many idle clients, and nothing else")
	flags.IntVar(&o.herd, "herd", 1000, "clients of the stampede workload")
	flags.IntVar(&o.entries, "entries", 1_000_000, "entries of the large cache; no more than there are rows")
	flags.StringVar(&o.overdrive, "overdrive", "", "the program to measure; it is built when this is empty")
	flags.StringVar(&o.before, "before", "", "an older program, to be measured beside it; see docs/benchmarks.md")
	flags.BoolVar(&o.scrape, "scrape", false, "ask the program for its metrics every second meanwhile, the older one not")
	flags.StringVar(&o.pgbouncer, "pgbouncer", "", "the PgBouncer to measure beside; the one in PATH when this is empty")
	flags.StringVar(&o.out, "out", "bench-results", "directory for the raw results")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.targets, o.modes = strings.Split(targets, ","), strings.Split(modes, ",")
	for text := range strings.SplitSeq(clients, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-clients: %q is not a number of clients", text)
		}
		o.clients = append(o.clients, n)
	}
	for _, t := range o.targets {
		if !slices.Contains([]string{"direct", "pgbouncer", "overdrive", "redis"}, t) {
			return o, fmt.Errorf("-targets: %q is not known", t)
		}
	}
	for _, m := range o.modes {
		if !slices.Contains(allModes, m) {
			return o, fmt.Errorf("-modes: %q is not known", m)
		}
	}
	if o.rounds < 1 || o.duration < time.Second || o.scale < 1 || o.keys < 1 || o.pool < 1 || o.threads < 1 || o.idle < 0 || o.herd < 1 || o.entries < millionClients {
		return o, fmt.Errorf("numbers must be positive, -entries at least %d, and -duration at least 1s", millionClients)
	}
	o.entries = min(o.entries, o.scale*rowsPerScale)
	return o, nil
}

func run(ctx context.Context, opts options) error {
	if err := raiseOpenFiles(max(opts.idle, opts.herd, slices.Max(opts.clients))); err != nil {
		return err
	}
	lab, err := openLab(ctx, opts)
	if err != nil {
		return err
	}
	defer lab.close()
	if opts.idle > 0 {
		return measureIdle(ctx, lab, opts)
	}
	results, err := measureRounds(ctx, lab, opts)
	if err != nil {
		return err
	}
	return report(results, opts)
}

// measureRounds visits every workload, number of clients and target once a round.
func measureRounds(ctx context.Context, lab *lab, opts options) (*results, error) {
	all := newResults()
	for round := range opts.rounds {
		for _, mode := range opts.modes {
			for _, clients := range opts.clientsOf(mode) {
				targets := lab.targetsFor(mode)
				for i := range targets {
					t := targets[(i+round)%len(targets)]
					fmt.Fprintf(os.Stderr, "round %d/%d: %s, %d clients, %s\n", round+1, opts.rounds, mode, clients, t.name)
					s, err := t.measure(ctx, mode, clients)
					if err != nil {
						return nil, fmt.Errorf("%s, %s, %d clients: %w", t.name, mode, clients, err)
					}
					all.add(cell{mode, clients, t.name}, s)
				}
			}
		}
	}
	return all, nil
}
