package querycache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

func benchmarkEntry() (*Database, []byte, *verdict.Statement) {
	c := New(Options{})
	d := c.Database("shop", defaultPolicy)
	v := reading(1, 2)
	key := bytes.Repeat([]byte("k"), 120)
	f := d.Ask(&Request{Key: key, Verdict: v}, nil).Fill
	f.Append(make([]byte, 200))
	f.Commit()
	return d, key, v
}

func BenchmarkAsk(b *testing.B) {
	d, key, v := benchmarkEntry()
	r := &Request{Key: key, Verdict: v, Room: make([]byte, 0, 1<<10)}
	room := r.Room
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Room = room
			if o := d.Ask(r, nil); o.Answer == nil {
				b.Fatal("miss")
			}
		}
	})
	b.Run("hit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			r := &Request{Key: key, Verdict: v, Room: make([]byte, 0, 1<<10)}
			room := r.Room
			for pb.Next() {
				r.Room = room
				d.Ask(r, nil)
			}
		})
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		other := append(bytes.Clone(key), 'x')
		for b.Loop() {
			d.Ask(&Request{Key: other, Verdict: v}, nil).Fill.Abort()
		}
	})
}

// manyEntries returns a database with n entries of a few hundred bytes.
func manyEntries(n int) (*Database, *verdict.Statement) {
	d := New(Options{MaxBytes: 2 << 30}).Database("shop", Policy{Enabled: true, MaxAge: time.Hour})
	v := reading(1, 2)
	answer := make([]byte, 150)
	for i := range n {
		f := d.Ask(&Request{Key: manyKey(nil, i), Verdict: v}, nil).Fill
		f.Append(answer)
		f.Commit()
	}
	return d, v
}

func manyKey(b []byte, i int) []byte {
	return fmt.Appendf(b[:0], "select a, b from t where id = %09d", i)
}

func BenchmarkAsk_OfMany(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		d, v := manyEntries(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var key []byte
			r := Request{Verdict: v, Room: make([]byte, 0, 1<<10)}
			room := r.Room
			for b.Loop() {
				key = manyKey(key, rand.IntN(n))
				r.Key, r.Room = key, room
				if o := d.Ask(&r, nil); o.Answer == nil {
					b.Fatal("miss")
				}
			}
		})
	}
}

// BenchmarkAsk_Latency tells how long the slowest of hits take while entries are replaced and the garbage collector runs
// without a pause.
func BenchmarkAsk_Latency(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		d, v := manyEntries(n)
		runtime.GC()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var cycles, spent int
			wg.Go(func() { cycles, spent = churn(d, v, n, stop) })
			var key []byte
			r := Request{Verdict: v, Room: make([]byte, 0, 1<<10)}
			room := r.Room
			var took []time.Duration
			for b.Loop() {
				key = manyKey(key, rand.IntN(n))
				r.Key, r.Room = key, room
				start := time.Now()
				o := d.Ask(&r, nil)
				took = append(took, time.Since(start))
				o.Fill.Abort()
			}
			close(stop)
			wg.Wait()
			slices.Sort(took)
			for _, p := range []struct {
				name string
				per  int
			}{{"p50-ns", 500}, {"p99-ns", 990}, {"p999-ns", 999}} {
				b.ReportMetric(float64(took[len(took)*p.per/1000]), p.name)
			}
			b.ReportMetric(float64(spent)/float64(max(cycles, 1))/1e6, "ms/gc")
		})
	}
}

// churn replaces entries and runs the garbage collector until told to stop. It returns how often that ran and for how
// many nanoseconds.
func churn(d *Database, v *verdict.Statement, n int, stop chan struct{}) (cycles, spent int) {
	answer := make([]byte, 150)
	for {
		for i := range 1000 {
			select {
			case <-stop:
				return cycles, spent
			default:
			}
			f := d.Ask(&Request{Key: manyKey(nil, rand.IntN(n)), Verdict: v, Hint: &Hint{Refresh: true}}, nil).Fill
			f.Append(answer)
			f.Commit()
			if i%20 == 0 {
				runtime.Gosched()
			}
		}
		start := time.Now()
		runtime.GC()
		cycles++
		spent += int(time.Since(start))
	}
}

func BenchmarkFill(b *testing.B) {
	d, key, v := benchmarkEntry()
	answer := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		f := d.Ask(&Request{Key: key, Verdict: v, Hint: &Hint{Refresh: true}}, nil).Fill
		f.Append(answer)
		f.Commit()
	}
}

func BenchmarkWrite(b *testing.B) {
	d, _, _ := benchmarkEntry()
	v := writing(1, 2)
	b.ReportAllocs()
	for b.Loop() {
		d.BeginWrite(v).End()
	}
}
