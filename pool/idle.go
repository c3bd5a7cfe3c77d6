package pool

import "slices"

// NoHome is the home of a connection or a caller that has none. Any Home
// that is negative or above MaxHome means the same.
const NoHome = -1

// MaxHome is the largest home. It bounds a table; no machine has as many
// loops.
const MaxHome = 1<<12 - 1

// idleSet holds the idle connections: one stack for each home, the most
// recently used on top. A stack and not a queue, because reusing the same few
// keeps them warm at the server and lets the others reach their IdleTimeout.
//
// The stacks are few (one for each event loop), so looking at the ends of
// all of them is cheap.
type idleSet[C any] struct {
	stacks [][]*Lease[C] // index home+1; ascending idleSeq in each
}

// slot returns the index of home's stack.
func slot(home int) int {
	if home < 0 || home > MaxHome {
		return 0
	}
	return home + 1
}

func (s *idleSet[C]) push(l *Lease[C]) {
	i := slot(l.home)
	for len(s.stacks) <= i {
		s.stacks = append(s.stacks, nil)
	}
	s.stacks[i] = append(s.stacks[i], l)
}

// pop removes and returns the most recently used connection of home, else
// the most recently used of all. The set must not be empty.
func (s *idleSet[C]) pop(home int) *Lease[C] {
	i := slot(home)
	if i >= len(s.stacks) || len(s.stacks[i]) == 0 {
		i = s.warmest()
	}
	stack := s.stacks[i]
	top := len(stack) - 1
	l := stack[top]
	stack[top] = nil
	s.stacks[i] = stack[:top]
	return l
}

// warmest returns the index of the stack with the most recently used top.
func (s *idleSet[C]) warmest() int {
	best, seq := -1, uint64(0)
	for i, stack := range s.stacks {
		if n := len(stack); n > 0 && stack[n-1].idleSeq > seq {
			best, seq = i, stack[n-1].idleSeq
		}
	}
	return best
}

// oldest returns the connection that has been idle longest, or nil.
func (s *idleSet[C]) oldest() *Lease[C] {
	var oldest *Lease[C]
	for _, stack := range s.stacks {
		if len(stack) > 0 && (oldest == nil || stack[0].idleSeq < oldest.idleSeq) {
			oldest = stack[0]
		}
	}
	return oldest
}

// remove takes out l, which must be in the set.
func (s *idleSet[C]) remove(l *Lease[C]) {
	stack := &s.stacks[slot(l.home)]
	i := slices.Index(*stack, l)
	*stack = slices.Delete(*stack, i, i+1)
}

// all returns a copy of the set, so that the caller may close what it finds.
func (s *idleSet[C]) all() []*Lease[C] {
	return slices.Concat(s.stacks...)
}
