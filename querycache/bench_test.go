package querycache

import (
	"bytes"
	"testing"

	"overdrive/querycache/classify"
)

func benchmarkEntry() (*Database, []byte, *classify.Verdict) {
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
	r := &Request{Key: key, Verdict: v}
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if o := d.Ask(r, nil); o.Answer == nil {
				b.Fatal("miss")
			}
		}
	})
	b.Run("hit/parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
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
