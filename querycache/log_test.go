package querycache

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestShard_CountsWhatLivesInAnyOrderOfSteps stores, replaces and takes out entries of all sizes by chance, and compares with a map:
// what is found, what is counted, and what the memory is.
func TestShard_CountsWhatLivesInAnyOrderOfSteps(t *testing.T) {
	for seed := range uint64(20) {
		a := &spans{limit: 64 << 10, poison: true}
		m := &shardModel{t: t, rng: rand.New(rand.NewPCG(seed, 0)), s: new(shard), c: &Cache{}, kept: map[uint64][]byte{}}
		m.s.init(a)
		for step := range 3000 {
			m.step()
			if step%100 == 0 {
				m.check()
			}
		}
		m.check()
		for hash := range m.kept {
			m.remove(hash)
		}
		if a.resident.Load() != a.spare || a.spare > a.limit {
			t.Errorf("seed %d: an empty shard keeps %d bytes, %d of them spare", seed, a.resident.Load(), a.spare)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type shardModel struct {
	t    *testing.T
	rng  *rand.Rand
	s    *shard
	c    *Cache
	kept map[uint64][]byte
}

func (m *shardModel) step() {
	hash := uint64(m.rng.IntN(800)) * numShards
	switch n := m.rng.IntN(10); {
	case n < 6:
		blob := bytes.Repeat([]byte{byte(hash / numShards), byte(m.rng.Uint32())}, m.rng.IntN(1<<m.rng.IntN(12))+1)
		if _, ok := m.s.store(hash, 0, &entry{}, blob, nil); !ok {
			m.t.Error("no memory")
		}
		m.kept[hash] = blob
	case n < 9:
		m.remove(hash)
	default:
		if _, ok := m.s.evict(anySize); ok {
			for h := range m.kept {
				if m.s.index.find(&m.s.log, h) == 0 {
					delete(m.kept, h)
				}
			}
		}
	}
}

func (m *shardModel) remove(hash uint64) {
	if id := m.s.index.find(&m.s.log, hash); id != 0 {
		m.s.remove(id)
		m.s.tidy()
	}
	delete(m.kept, hash)
}

func (m *shardModel) check() {
	s := m.s
	var live, counted int64
	for hash, blob := range m.kept {
		id := s.index.find(&s.log, hash)
		if id == 0 || !bytes.Equal(s.blob(s.log.at(id)), blob) {
			m.t.Fatalf("the entry %d is gone, or another's", hash/numShards)
		}
		live += int64(slotSize(len(blob)))
		counted += smallCost(len(blob))
	}
	n := 0
	s.each(func(*slot) { n++ })
	if n != len(m.kept) || s.index.n != n {
		m.t.Errorf("%d in the queues, %d in the index, want %d", n, s.index.n, len(m.kept))
	}
	if s.log.live != live || s.small.bytes+s.main.bytes != counted {
		m.t.Errorf("%d bytes live, want %d; %d counted, want %d", s.log.live, live, s.small.bytes+s.main.bytes, counted)
	}
	if s.log.crowded() {
		m.t.Errorf("%d bytes of gaps among %d that live", s.log.gaps, live)
	}
	taken := int64(0)
	for i := range s.log.regions {
		taken += int64(s.log.regions[i].span.resident)
	}
	if most := counted + live/regionShare + live/8 + 2*maxRegion; taken > most {
		m.t.Errorf("%d bytes taken for %d", taken, counted)
	}
}

func TestSpans_KeepNoMoreThanTheLimitWhenTheyAreFree(t *testing.T) {
	a := &spans{limit: 1 << 20}
	var all []span
	for i := range 200 {
		sp, ok := a.take(1000 << (i % 13))
		if !ok {
			t.Fatal("no memory")
		}
		a.touch(&sp, 1000<<(i%13))
		all = append(all, sp)
	}
	for _, sp := range all {
		a.give(sp)
	}
	for range 200 { // a step at a time
		sp, _ := a.take(1)
		a.give(sp)
	}
	if a.spare > a.limit {
		t.Errorf("%d bytes spare", a.spare)
	}
	if a.resident.Load() != a.spare {
		t.Errorf("%d bytes resident, %d spare", a.resident.Load(), a.spare)
	}
}
