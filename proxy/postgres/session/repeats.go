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

// noteBound is called for a Bind, with what stands behind its names.
func (s *Session) noteBound(v *classify.Verdict, st *statement, values []byte) {
	if st != nil {
		s.noteValues(v, st.body, values)
	}
}

// noteValues is called ahead of noteText, for a text and the values that go with it. Either may tell one statement from the next.
func (s *Session) noteValues(v *classify.Verdict, text, values []byte) {
	if shape := uint32(v.Fingerprint); shape == 0 || shape != s.cache.shape {
		return
	}
	few := uint8(hashEnds(text)*3+hashEnds(values))&^valuesDiffer | 1
	if before := s.cache.values &^ valuesDiffer; before != valuesUnknown && before != few {
		few |= valuesDiffer
	}
	s.cache.values = few
}

// hashEnds hashes the front of b and its end.
func hashEnds(b []byte) uint64 {
	hash := maphash.Bytes(valuesSeed, b[:min(len(b), maxValues)])
	if len(b) > maxValues {
		hash += maphash.Bytes(valuesSeed, b[len(b)-maxValues:])
	}
	return hash
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
