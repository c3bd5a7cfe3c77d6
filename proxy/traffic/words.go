package traffic

import (
	"slices"
	"sync/atomic"
)

// A Count is how often something happened that has a word.
type Count struct {
	Word string
	N    uint64
}

// ByWord counts by words that are known beforehand, so there are never more counters than those. Safe for concurrent use.
type ByWord struct {
	words  []string
	counts []atomic.Uint64
}

// newByWord returns counters for words, which must not change.
func newByWord(words []string) ByWord { return ByWord{words, make([]atomic.Uint64, len(words))} }

// Add counts one more of the i-th word.
func (b *ByWord) Add(i int) { b.counts[i].Add(1) }

// addTo adds what was counted to list, which is empty or has the same words in the same order.
func (b *ByWord) addTo(list []Count) []Count {
	if list == nil {
		list = make([]Count, len(b.words))
	}
	for i, word := range b.words {
		list[i] = Count{word, list[i].N + b.counts[i].Load()}
	}
	return list
}

// addCounts adds more to list, as addTo does.
func addCounts(list, more []Count) []Count {
	if list == nil {
		return slices.Clone(more)
	}
	for i := range more {
		list[i].N += more[i].N
	}
	return list
}
