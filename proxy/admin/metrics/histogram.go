package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"overdrive/proxy/traffic"
)

// A histogram shows a distribution as both kinds of Prometheus' histograms, so that each server takes the one that it prefers: the library
// has types for either, and none for both.
type histogram struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	of     traffic.Distribution
}

// Desc is prometheus.Metric's.
func (h *histogram) Desc() *prometheus.Desc { return h.desc }

// Write is prometheus.Metric's.
func (h *histogram) Write(out *dto.Metric) error {
	const last = traffic.Buckets - 1
	count, sum := h.of.Count(), h.of.Sum.Seconds()
	classic := make([]*dto.Bucket, last) // that without a bound is the count
	sofar := uint64(0)
	for i := range classic {
		sofar += h.of.Buckets[i]
		bound, upTo := traffic.Bound(i), sofar
		classic[i] = &dto.Bucket{UpperBound: &bound, CumulativeCount: &upTo}
	}
	// The native one has the same bounds. What took no longer than the first is its bucket of zero; what took longer than the last
	// is in the bucket behind it, which is too narrow for some of it.
	schema, threshold, zero := int32(0), traffic.Bound(0), h.of.Buckets[0]
	offset, length := int32(traffic.Power(1)), uint32(last)
	deltas := make([]int64, last)
	before := int64(0)
	for i := range deltas {
		n := int64(h.of.Buckets[i+1])
		deltas[i], before = n-before, n
	}
	out.Label = h.labels
	out.Histogram = &dto.Histogram{
		SampleCount: &count, SampleSum: &sum, Bucket: classic, Schema: &schema, ZeroThreshold: &threshold, ZeroCount: &zero,
		PositiveSpan: []*dto.BucketSpan{{Offset: &offset, Length: &length}}, PositiveDelta: deltas,
	}
	return nil
}
