package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

// tableOf makes an answer of the console: the names of columns, then its rows, words between blanks.
func tableOf(lines ...string) *table {
	t := &table{columns: strings.Fields(lines[0])}
	for _, line := range lines[1:] {
		var row [][]byte
		for _, word := range strings.Fields(line) {
			row = append(row, []byte(strings.ReplaceAll(word, "_", " ")))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func lookAt(at int64, stats, cache string, queries ...string) *look {
	return &look{
		at:      time.Unix(at, 0),
		stats:   tableOf("database total_query_count total_query_time total_wait_count", stats),
		pools:   tableOf("database user cl_active cl_waiting sv_active sv_idle maxwait maxwait_us cl_pinned", "shop app 3 2 5 1 1 500000 1", "lab eve 1 0 0 1 0 0 0"),
		caches:  tableOf("database entries bytes hits misses", cache),
		queries: tableOf(append([]string{"database fingerprint calls hits avg_miss_us status query"}, queries...)...),
	}
}

func TestLive_ShowsRatesBetweenTwoLooks(t *testing.T) {
	before := lookAt(100, "shop 1000 5000000 10", "shop 7 700 100 100", "shop a 500 100 2000 cacheable one", "shop b 10 0 0 volatile two")
	now := lookAt(102, "shop 3000 9000000 14", "shop 8 800 400 200", "shop a 700 200 2000 cacheable one", "shop b 1010 0 0 volatile two", "shop c 4 0 90000 cacheable three", "shop d 0 0 0 cacheable never")
	text := live(before, now, "")
	for _, want := range []string{
		`(?m)^shop +1000 +75\.0 % +2ms +2 +8 +800$`,
		`(?m)^shop +app +3 +2 +1\.5s +5 +1 +1\nlab +eve`,
		`(?ms)^calls/s.*^2 +0\.0 % +90ms +180ms +cacheable +three\n100 +50\.0 % +2ms +100ms +cacheable +one\n500 +0\.0 % +- +- +volatile +two\n$`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no match for %s in\n%s", want, text)
		}
	}
	if text := live(before, now, "lab"); strings.Contains(text, "app") || strings.Contains(text, "three") {
		t.Errorf("another database is shown:\n%s", text)
	}
	first := live(nil, now, "")
	if !regexp.MustCompile(`(?m)^shop +- +- +- +- +8 +800$`).MatchString(first) {
		t.Errorf("a rate after one look:\n%s", first)
	}
	// The server was started again: what it has counted is new.
	if text := live(now, lookAt(104, "shop 20 40000 0", "shop 1 1 1 1"), ""); !regexp.MustCompile(`(?m)^shop +10 +50\.0 % +2ms`).MatchString(text) {
		t.Errorf("counters that fell:\n%s", text)
	}
}

func TestLive_NeedsOnlyWhatTheUserMaySee(t *testing.T) {
	before := lookAt(100, "shop 0 0 0", "shop 7 700 0 0", "shop a 10 5 2000 cacheable one")
	now := lookAt(101, "shop 0 0 0", "shop 8 800 4 4", "shop a 18 9 2000 cacheable one")
	for _, l := range []*look{before, now} {
		l.stats, l.pools = &table{}, &table{}
	}
	text := live(before, now, "")
	if !regexp.MustCompile(`(?m)^shop +8 +50\.0 % +- +- +8 +800$`).MatchString(text) || strings.Contains(text, "pool") {
		t.Errorf("got\n%s", text)
	}
}

func TestScreen_LeavesATerminalAsItWas(t *testing.T) {
	var out bytes.Buffer
	s := &screen{&out, true}
	s.open()
	if err := s.show("a\nb\n"); err != nil {
		t.Fatal(err)
	}
	s.close()
	want := "\x1b[?1049h\x1b[?25l\x1b[?7l" + "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J" + "\x1b[?7h\x1b[?25h\x1b[?1049l"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestTable_ShowsNothingThatATerminalWouldObey(t *testing.T) {
	hostile := "select \x1b]0;owned\x07 \u009b2J \u202e evil"
	var out strings.Builder
	if err := (&table{columns: []string{"query"}, rows: [][][]byte{{[]byte(hostile)}}}).print(&out); err != nil {
		t.Fatal(err)
	}
	now := lookAt(101, "shop 0 0 0", "shop 0 0 0 0", "shop a 9 0 0 x "+strings.ReplaceAll(hostile, " ", "_"))
	now.pools.rows[0][1] = []byte(hostile)
	text := out.String() + live(lookAt(100, "shop 0 0 0", "shop 0 0 0 0"), now, "")
	if strings.Count(text, "owned") != 3 {
		t.Errorf("the texts are not there:\n%q", text)
	}
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("%U is written", r)
		}
	}
}

// A program that reads gets a block each second without a control code, and the end of its interest is no error.
func TestStats_WatchWritesBlocksWhereNobodyLooks(t *testing.T) {
	from := []string{"--connection-string", sharedDSN(t)}
	s, _ := serveHere(t, from...)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	in, out := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, append([]string{"stats", "--watch", "--listen", s.address}, from...), out, io.Discard)
		out.Close()
	}()
	var text bytes.Buffer
	piece := make([]byte, 1<<16)
	for strings.Count(text.String(), "statements/s") < 3 {
		n, err := in.Read(piece)
		if text.Write(piece[:n]); err != nil {
			t.Fatalf("%v after\n%s", err, text.String())
		}
	}
	interrupt()
	go func() { _, _ = io.Copy(io.Discard, in) }()
	if code := <-exit; code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(text.String(), "\x1b") || !regexp.MustCompile(`(?m)^postgres +\d`).MatchString(text.String()) {
		t.Errorf("got\n%q", text.String())
	}
}
