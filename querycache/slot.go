package querycache

import "unsafe"

// slotID is the place of a slot in the log of its shard; 0 is none. It changes when the log is compacted.
type slotID uint32

// slot is an entry with its place in the shard. It stands in the log of the shard, before the blob of the entry or, if that is
// large, alone. It holds no pointers, for the garbage collector does not see it.
type slot struct {
	entry
	serial      uint64 // tells the entry from every other one of the shard, also from one that comes to stand in its place
	hash        uint64
	fingerprint uint64
	length      uint32 // of the blob in the log
	large       uint32 // the place of the blob among the large ones; 0: it is in the log
	chain       slotID // the next in its bucket
	prev, next  slotID // in its queue, towards newer and older
	asked       uint8  // how often it was asked for lately, up to maxAsked
	inMain      bool   // else in small
	dead        bool   // it is gone, and its place not yet in use again
}

const slotBytes = int(unsafe.Sizeof(slot{}))

// ask notes that the entry was asked for.
func (s *slot) ask() {
	if s.asked < maxAsked {
		s.asked++
	}
}
