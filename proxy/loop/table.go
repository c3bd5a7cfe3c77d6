package loop

// connTable finds the conns of a loop by id. An id is a slot in its low half and a generation in its high half, so an
// event that was fetched before its conn was closed names nobody, even if slot and descriptor have a new tenant.
//
// Invariant: a Conn is in the table of its loop, and in no other, exactly while it is open and not on its way between
// two loops. So a loop that let go of a Conn learns that from its table, without looking at the Conn, which may
// already be running elsewhere.
type connTable struct {
	slots      []*Conn
	vacant     []uint32
	generation uint32
}

// add gives c an id that names it until remove. Zero is never an id.
func (t *connTable) add(c *Conn) {
	var slot uint32
	if n := len(t.vacant); n > 0 {
		slot = t.vacant[n-1]
		t.vacant = t.vacant[:n-1]
	} else {
		slot = uint32(len(t.slots))
		t.slots = append(t.slots, nil)
	}
	t.generation++
	if t.generation == 0 {
		t.generation = 1
	}
	c.id = uint64(t.generation)<<32 | uint64(slot)
	t.slots[slot] = c
}

// get returns the conn with this id, or nil if it is gone.
func (t *connTable) get(id uint64) *Conn {
	slot := uint32(id)
	if int64(slot) >= int64(len(t.slots)) {
		return nil
	}
	if c := t.slots[slot]; c != nil && c.id == id {
		return c
	}
	return nil
}

func (t *connTable) remove(c *Conn) {
	slot := uint32(c.id)
	t.slots[slot] = nil
	t.vacant = append(t.vacant, slot)
}

func (t *connTable) all() []*Conn {
	var cs []*Conn
	for _, c := range t.slots {
		if c != nil {
			cs = append(cs, c)
		}
	}
	return cs
}
