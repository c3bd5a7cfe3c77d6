package session

import (
	"hash/maphash"

	"overdrive/querycache/classify"
)

// This file counts statements that a session sends to a server right behind another of the same shape, with other values: an application
// that asks in a loop what one statement could ask. What is answered from the cache is not looked at. Within such a run the values are
// told apart by a few bits; outside of one nothing is done but to compare the shape with the last one.

const (
	valuesUnknown uint8 = 0       // of the first of a run
	valuesDiffer  uint8 = 1 << 7  // from those before; the other bits are a hash of them, and not 0
	maxValues           = 1 << 10 // bytes that are looked at, in front and at the end
)

var valuesSeed = maphash.MakeSeed()

// noteValues is called ahead of noteText: for the text of a simple Query, and with a Bind for what stands behind its names.
func (s *Session) noteValues(v *classify.Verdict, values []byte) {
	if shape := uint32(v.Fingerprint); shape == 0 || shape != s.cache.shape {
		return
	}
	hash := maphash.Bytes(valuesSeed, values[:min(len(values), maxValues)])
	if len(values) > maxValues {
		hash ^= maphash.Bytes(valuesSeed, values[len(values)-maxValues:])
	}
	few := uint8(hash)&^valuesDiffer | 1
	if before := s.cache.values &^ valuesDiffer; before != valuesUnknown && before != few {
		few |= valuesDiffer
	}
	s.cache.values = few
}

// noteRepeat is noteText for the count.
func (s *Session) noteRepeat(v *classify.Verdict) {
	if shape := uint32(v.Fingerprint); shape != s.cache.shape || shape == 0 {
		s.cache.shape, s.cache.values = shape, valuesUnknown
		return
	}
	if s.cache.values&valuesDiffer != 0 && v.Tally != nil {
		v.Tally.Repeats.Add(1)
		s.cache.values &^= valuesDiffer
	}
}
