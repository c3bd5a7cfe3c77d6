package loop

import "testing"

func TestConnTable_AnOldIDNamesNobody(t *testing.T) {
	var table connTable
	if table.get(0) != nil {
		t.Error("id zero names somebody")
	}
	a, b := &Conn{}, &Conn{}
	table.add(a)
	old := a.id
	if table.get(old) != a {
		t.Error("not found")
	}
	table.remove(a)
	table.add(b)
	if uint32(b.id) != uint32(old) {
		t.Fatal("slot not used again; the test wants that")
	}
	if table.get(old) != nil || table.get(b.id) != b {
		t.Error("the old id names the new tenant")
	}
	if table.get(1<<32|77) != nil {
		t.Error("an id out of range names somebody")
	}
}
