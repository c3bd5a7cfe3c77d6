package traffic

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets is how many there are in a Distribution. All but the last have an upper bound, see Bound.
const Buckets = 28

// The bounds double from bucket to bucket, from about a microsecond to about a minute. In seconds they are powers of two, 2^-20 to 2^6, which are
// the bounds of Prometheus' native histograms, too (schema 0).
const (
	lowestPower = -20
	unitsPerSec = 1 << -lowestPower // the unit is the lowest bound
)

// Power is the logarithm, to the base of 2, of the upper bound of bucket i in seconds. The last bucket has none.
func Power(i int) int { return lowestPower + i }

// Bound is the upper bound of bucket i in seconds, which belongs to the bucket. The last bucket has none.
func Bound(i int) float64 { return float64(uint64(1)<<i) / unitsPerSec }

// Times counts how long things took. The zero value is empty. Safe for concurrent use.
type Times struct {
	buckets [Buckets]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts one thing that took d; below 0 counts as 0.
func (t *Times) Observe(d time.Duration) {
	d = max(d, 0)
	t.buckets[bucketOf(d)].Add(1)
	t.sum.Add(int64(d))
}

// bucketOf returns the first bucket whose bound is not below d.
func bucketOf(d time.Duration) int {
	const most = time.Second << (Buckets - 2 + lowestPower) // the largest bound, so that nothing below overflows
	if d > most {
		return Buckets - 1
	}
	units := (uint64(d)*unitsPerSec + uint64(time.Second) - 1) / uint64(time.Second) // rounded up
	if units == 0 {
		return 0
	}
	return bits.Len64(units - 1)
}

// addTo adds what was counted to d.
func (t *Times) addTo(d *Distribution) {
	for i := range t.buckets {
		d.Buckets[i] += t.buckets[i].Load()
	}
	d.Sum += time.Duration(t.sum.Load())
}

// Distribution returns what was counted up to now. What is counted meanwhile may be in it in part.
func (t *Times) Distribution() (d Distribution) {
	t.addTo(&d)
	return d
}

// A Distribution says how many things took how long.
type Distribution struct {
	Buckets [Buckets]uint64 // each counts what took longer than the bound of the bucket before it, and no longer than its own
	Sum     time.Duration   // of all
}

// Count is how many there were.
func (d *Distribution) Count() (n uint64) {
	for _, in := range d.Buckets {
		n += in
	}
	return n
}

func (d *Distribution) add(o *Distribution) {
	for i, n := range o.Buckets {
		d.Buckets[i] += n
	}
	d.Sum += o.Sum
}
