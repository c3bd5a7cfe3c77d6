package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// millionClients fill the large cache together.
const millionClients = 20

// millionStatement has a parameter for its key, as pgbench's prepared protocol has it.
const millionStatement = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"

// runMillion measures hits, in the large cache or in a small one. It fails if they were no hits.
func (l *lab) runMillion(ctx context.Context, t *target, clients int) (sample, error) {
	work, err := l.millionWork(ctx, t)
	if err != nil {
		return sample{}, err
	}
	before, err := l.statements(ctx)
	if err != nil {
		return sample{}, err
	}
	s, err := l.runWork(ctx, t, clients, loggedShare, work)
	if err != nil {
		return sample{}, err
	}
	after, err := l.statements(ctx)
	if s.Upstream = after - before; err == nil && s.Upstream > s.Transactions/100 {
		err = fmt.Errorf("of %d statements %d were no hits", s.Transactions, s.Upstream)
	}
	return s, err
}

// millionWork fills the large cache when it is first used; that lasts. The small one is warmed each time.
func (l *lab) millionWork(ctx context.Context, t *target) ([]string, error) {
	keys := l.opts.keys
	if t.name == targetMillion {
		keys = l.opts.entries
	}
	if t.name != targetMillion || !t.filled {
		if err := l.fillKeys(ctx, t, keys); err != nil {
			return nil, err
		}
	}
	script, err := l.script("million", fmt.Sprintf("\\set aid random(1, %d)\n%s", keys, millionStatement))
	return []string{"--protocol", "prepared", "--file", script}, err
}

// fillKeys asks for each of the keys from 1 to n once, and no other.
func (l *lab) fillKeys(ctx context.Context, t *target, n int) error {
	each := (n + millionClients - 1) / millionClients
	script, err := l.script("fill", fmt.Sprintf("\\set i :i + 1\n\\set aid least(:client_id * %d + :i, %d)\n%s", each, n, millionStatement))
	if err != nil {
		return err
	}
	began := time.Now()
	err = l.warm(ctx, t, script, "--define", "i=0", "--client", itoa(millionClients), "--jobs", itoa(l.opts.threads),
		"--transactions", itoa(each), "--protocol", "prepared")
	if err != nil || t.name != targetMillion {
		return err
	}
	t.filled = true
	resident, err := residentBytes(t.pid)
	fmt.Fprintf(os.Stderr, "%d entries in %v, %d MiB resident\n", n, time.Since(began).Round(time.Second), resident>>20)
	return err
}

// statements returns how many transactions the server has run in the database, once it has counted all of them.
func (l *lab) statements(ctx context.Context) (int64, error) {
	if err := l.flushStatistics(ctx); err != nil {
		return 0, err
	}
	return l.number(ctx, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
}

// flushStatistics ends all sessions of the database but its own: the others count what they did at leisure, or when
// they end. Whoever pools them opens new ones.
func (l *lab) flushStatistics(ctx context.Context) error {
	rows, err := l.query(ctx, `WITH others AS MATERIALIZED (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend')
		SELECT pid FROM others WHERE pg_terminate_backend(pid)`)
	if err != nil || len(rows) == 0 {
		return err
	}
	gone := "SELECT count(*) FROM pg_stat_activity WHERE pid IN (" + strings.Join(rows, ", ") + ")"
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if n, err := l.number(ctx, gone); err != nil || n == 0 {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// query asks the server directly and returns the first column.
func (l *lab) query(ctx context.Context, sql string) (column []string, err error) {
	conn, err := connect(ctx, l.postgres.Port(), false)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range results[0].Rows {
		column = append(column, string(row[0]))
	}
	return column, nil
}

// number is query for one number.
func (l *lab) number(ctx context.Context, sql string) (int64, error) {
	column, err := l.query(ctx, sql)
	if err != nil || len(column) != 1 {
		return 0, fmt.Errorf("%s: got %q: %w", sql, column, err)
	}
	return strconv.ParseInt(column[0], 10, 64)
}
