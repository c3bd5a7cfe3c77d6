package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestDemo_ShowsWhatItClaims(t *testing.T) {
	got := runToEnd(t, "demo", "--once")
	if got.code != exitDone || got.errOut != "" {
		t.Fatalf("exit code %d, %s\n%s", got.code, got.errOut, got.out)
	}
	// Each report with its revenue, and what happened to it.
	reports := regexp.MustCompile(`(\d+) orders, revenue ([\d.]+) +[\d.]+ ms   SHOW overdrive.status: (\w+)`).
		FindAllStringSubmatch(got.out, -1)
	if len(reports) != 4 {
		t.Fatalf("got %d reports, want 4:\n%s", len(reports), got.out)
	}
	for i, want := range []string{"miss", "hit", "miss", "hit"} {
		if reports[i][3] != want {
			t.Errorf("report %d: got %s, want %s", i+1, reports[i][3], want)
		}
	}
	for _, same := range [][2]int{{0, 1}, {2, 3}} {
		if a, b := reports[same[0]], reports[same[1]]; a[1] != b[1] || a[2] != b[2] {
			t.Errorf("reports %d and %d differ: %q and %q", same[0]+1, same[1]+1, a, b)
		}
	}
	before, _ := strconv.Atoi(reports[0][1])
	after, _ := strconv.Atoi(reports[2][1])
	if after != before+1 || reports[2][2] == reports[0][2] {
		t.Errorf("the order is not in the report after it: %q, then %q", reports[0], reports[2])
	}
	for _, want := range []string{
		`\n  \d+ times as fast\n`,
		`SHOW overdrive.pinned: "temporary object: cart"\n`,
		`SHOW overdrive.pinned: ""\n`,
		`1000 statements of 50 connected clients .* pg_stat_activity: [2-5] server connections\n`,
		`\nThat was all: both stop now, .*\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(got.out) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	if strings.Contains(got.out, "Try it yourself") {
		t.Errorf("invites to what is gone:\n%s", got.out)
	}
}

func TestDemo_NamesPsqlOnlyWhereItIs(t *testing.T) {
	const dsn = "postgres://app:demo@127.0.0.1:6432/shop"
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	var without, with strings.Builder
	invite(&without, dsn)
	if err := os.WriteFile(filepath.Join(dir, "psql"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	invite(&with, dsn)
	if got := without.String(); strings.Contains(got, "psql '") || !strings.Contains(got, dsn) {
		t.Errorf("without psql: got %s", got)
	}
	if got := with.String(); !strings.Contains(got, "  psql '"+dsn+"'\n") {
		t.Errorf("with psql: got %s", got)
	}
}

func TestDemo_GoesOnUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, outEnd := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"demo"}, outEnd, io.Discard)
		outEnd.Close()
	}()
	dsn := ""
	for in := bufio.NewScanner(out); in.Scan(); {
		if line := regexp.MustCompile(`^  (?:psql ')?(postgres://[^' ]+)`).FindStringSubmatch(in.Text()); line != nil {
			dsn = line[1]
		}
		if strings.HasPrefix(in.Text(), "Ctrl-C") {
			conn := login(t, dsn)
			if got := query(t, conn, "select count(*) from products"); got != strconv.Itoa(demoProducts) {
				t.Errorf("got %s products", got)
			}
			cancel()
		}
	}
	if code := <-exit; code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if dsn == "" {
		t.Error("there was no line for clients")
	}
}
