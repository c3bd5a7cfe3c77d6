package querycache

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// most is what the process may take above what it took with an empty cache, by the budget.
const most = 1.2

// memoryLoads fill a cache far beyond its budget, in a process of their own.
var memoryLoads = map[string]func(f *filler, budget int64){
	"small": func(f *filler, budget int64) { // a million for a budget of 384 MiB
		for i := range budget / 400 {
			f.fill(fmt.Sprintf("select a, b, c from some_table join another using (id) where id = %09d", i), 200)
		}
	},
	"large": func(f *filler, budget int64) { // a thousand for 256 MiB
		for i := range budget / (256 << 10) {
			f.fill(fmt.Sprint("large ", i), 256<<10)
		}
	},
	"mixed": func(f *filler, budget int64) { // one size drives out the other, and writes kill all of them now and then
		rng := rand.New(rand.NewPCG(1, 2))
		for round := range 4 {
			for taken := int64(0); taken < budget; {
				size := 50 << (rng.IntN(7) + round%2*7)
				size += rng.IntN(size)
				f.fill(fmt.Sprint("mixed ", rng.IntN(1_000_000)), size)
				taken += int64(size) + 200
			}
			if round == 2 {
				f.d.Invalidate(1)
			}
		}
	},
	"given up": func(f *filler, budget int64) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			var open []*Fill
			for i := range 50 {
				fill := begin(f.d, fmt.Sprint("given up ", i), reading(1))
				for range rng.IntN(20) {
					fill.Append(f.piece)
				}
				open = append(open, fill)
			}
			f.look()
			for _, fill := range open {
				fill.Abort()
			}
		}
	},
	"held": func(f *filler, budget int64) { // by clients who do not read, while writes kill what they hold
		for i := range 4 * budget / (256 << 10) {
			key := fmt.Sprint("held ", i%100)
			f.fill(key, 256<<10)
			ask(f.d, key, reading(1)).Fill.Abort() // nobody releases what is a hit
			if i%10 == 0 {
				f.d.Invalidate(1)
			}
		}
	},
}

// filler fills a cache and looks at what the process takes.
type filler struct {
	c     *Cache
	d     *Database
	piece []byte
	base  int64
	peak  int64
	n     int
}

func (f *filler) fill(key string, size int) {
	o := ask(f.d, key, reading(1))
	o.Held.Release()
	for ; size > 0; size -= len(f.piece) {
		o.Fill.Append(f.piece[:min(size, len(f.piece))])
	}
	o.Fill.Commit()
	if f.n++; f.n%1000 == 0 || size > 1<<16 {
		f.look()
	}
}

func (f *filler) look() { f.peak = max(f.peak, resident()-f.base) }

// resident returns what the process takes of the machine's memory.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// TestMemory_IsWhatTheBudgetSays measures whole processes. OVERDRIVE_MEMORY is the budgets in MiB; make test-memory has large ones.
func TestMemory_IsWhatTheBudgetSays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while, and what it measures is not what the race detector makes of it")
	}
	if resident() == 0 {
		t.Skip("the system does not say what a process takes")
	}
	budgets := os.Getenv("OVERDRIVE_MEMORY")
	if budgets == "" {
		budgets = "128"
	}
	for _, budget := range strings.Fields(budgets) {
		for name := range memoryLoads {
			t.Run(name+" "+budget, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory_OfThisProcess$", "-test.v")
				cmd.Env = append(os.Environ(), "OVERDRIVE_MEMORY_LOAD="+name, "OVERDRIVE_MEMORY="+budget)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				for line := range strings.Lines(string(out)) {
					if strings.Contains(line, "MiB") {
						t.Log(strings.TrimSpace(line))
					}
				}
			})
		}
	}
}

// TestMemory_OfThisProcess is the process that TestMemory_IsWhatTheBudgetSays measures.
func TestMemory_OfThisProcess(t *testing.T) {
	load := memoryLoads[os.Getenv("OVERDRIVE_MEMORY_LOAD")]
	if load == nil {
		t.Skip("it is run by TestMemory_IsWhatTheBudgetSays")
	}
	mib, err := strconv.ParseInt(os.Getenv("OVERDRIVE_MEMORY"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	budget := mib << 20
	c := New(Options{MaxBytes: budget})
	f := &filler{c: c, d: c.Database("shop", Policy{Enabled: true, MaxAge: time.Hour}), piece: make([]byte, 16<<10)}
	for i := range 1000 { // the program's own pages, and its first garbage
		f.fill(fmt.Sprint("first ", i), 50<<(i%12))
	}
	c.Purge()
	debug.FreeOSMemory()
	f.base, f.peak = resident()-c.spans.resident.Load(), 0
	load(f, budget)
	f.look()
	t.Logf("%d MiB at most: %.2f of the budget; %d entries, %d MiB resident in the cache", f.peak>>20,
		float64(f.peak)/float64(budget), c.Stats().Entries, c.spans.resident.Load()>>20)
	if allowed := int64(most * float64(budget)); f.peak > allowed {
		t.Errorf("%d bytes, allowed are %d", f.peak, allowed)
	}
	if used := c.UsedBytes(); used > budget {
		t.Errorf("%d bytes used", used)
	}
	if f.peak < budget/2 && os.Getenv("OVERDRIVE_MEMORY_LOAD") != "given up" {
		t.Errorf("%d bytes only: the load is too tame", f.peak)
	}
}
