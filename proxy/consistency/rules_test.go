package consistency_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A play is a history with two registers, of which the tests below tell what happens.
type play struct {
	*history
	t    *testing.T
	a, b *register
}

func newPlay(t *testing.T) *play {
	h := newHistory()
	return &play{history: h, t: t, a: h.add("a"), b: h.add("b")}
}

// writes has a transaction write the registers and come to an end.
func (p *play) writes(o outcome, registers ...*register) *group {
	g := &group{who: "writer"}
	for _, r := range registers {
		p.issue(g, r, "test", true)
	}
	p.set(g, 0, o)
	return g
}

// reads has somebody read versions of a and of b, 0 is none, and wants a complaint with this in it, or none.
func (p *play) reads(want string, edit func(*reading), versions ...int64) {
	p.t.Helper()
	r := &reading{who: "reader", floors: p.floors(nil)}
	for i, v := range versions {
		if v > 0 {
			r.sightings = append(r.sightings, sighting{register: p.registers[i], version: v, present: true})
		}
	}
	if edit != nil {
		edit(r)
	}
	if got := p.judge(r); (want == "") != (got == "") || !strings.Contains(got, want) {
		p.t.Errorf("reading %v: got %q, want %q", versions, got, want)
	}
}

func TestHistory_AReadIsNotOlderThanWhatWasAcknowledged(t *testing.T) {
	p := newPlay(t)
	before := p.floors(nil)
	p.writes(committed, p.a)
	p.reads("a is shown in version 1, want 2", nil, 1)
	p.reads("", func(r *reading) { r.floors = before }, 1) // asked for before
	p.reads("", nil, 2)
	p.reads("3, which nobody wrote", nil, 3)
}

func TestHistory_WhatWasShownOnceIsShownToAll(t *testing.T) {
	p := newPlay(t)
	p.writes(ending, p.a)
	p.reads("", nil, 1)
	p.reads("", nil, 2)
	p.reads("a is shown in version 1, want 2", nil, 1)
}

func TestHistory_NobodyIsShownWhatIsNotCommitted(t *testing.T) {
	p := newPlay(t)
	g := p.writes(open, p.a)
	p.reads("2, which is open", nil, 2)
	p.reads("", func(r *reading) { r.group, r.written = g, 1 }, 2) // the writer itself
	p.reads("the same transaction wrote 2", func(r *reading) { r.group, r.written = g, 1 }, 1)
	p.reads("2, which is open", func(r *reading) { r.group = g }, 2) // an earlier statement of it
	p.set(g, 0, rolledBack)
	p.reads("2, which is rolled back", nil, 2)
	p.reads("", nil, 1)
	p.writes(unknown, p.a)
	p.reads("", nil, 1)
	p.reads("", nil, 3)
}

func TestHistory_WhatIsRolledBackWasNeverToBeShown(t *testing.T) {
	p := newPlay(t)
	g := p.writes(ending, p.a)
	p.reads("", nil, 2)
	if p.set(g, 0, rolledBack); len(p.violated()) != 1 {
		t.Errorf("got %d violations, want 1", len(p.violated()))
	}
}

func TestHistory_ATransactionIsShownWhole(t *testing.T) {
	p := newPlay(t)
	p.writes(ending, p.a, p.b)
	p.reads("one transaction wrote version 2 of a and 2 of b, but the latter is shown in version 1", nil, 2, 1)
	p.reads("one transaction wrote version 2 of b", nil, 1, 2)
	p.reads("", nil, 1, 1)
	p.reads("", nil, 2, 2)
	p.reads("versions 2 and 3 at once", func(r *reading) {
		p.writes(ending, p.a)
		r.sightings = append(r.sightings, sighting{register: p.a, version: 3, present: true})
	}, 2)
}

func TestHistory_APartThatWasTakenBackIsNoPart(t *testing.T) {
	p := newPlay(t)
	g := p.writes(open, p.a, p.b)
	p.set(g, 1, rolledBack)
	p.set(g, 0, committed)
	p.reads("", nil, 2, 1)
	p.reads("2, which is rolled back", nil, 2, 2)
}

func TestHistory_ASnapshotDoesNotMove(t *testing.T) {
	p := newPlay(t)
	snapshot, floors := map[int64]int64{}, p.floors(nil)
	within := func(r *reading) { r.snapshot, r.floors = snapshot, floors }
	p.reads("", within, 1)
	p.writes(committed, p.a)
	p.reads("", within, 1)
	p.reads("in the same snapshot it was 1", within, 2)
}

func TestHistory_APipelineDoesNotGoBack(t *testing.T) {
	p := newPlay(t)
	floors := p.floors(nil)
	p.writes(committed, p.a)
	p.reads("an earlier answer of the same pipeline showed 2", func(r *reading) {
		r.floors, r.before = floors, map[*register]int64{p.a: 2}
	}, 1)
}

func TestHistory_ARowIsThereOrNot(t *testing.T) {
	p := newPlay(t)
	gone := func(r *reading) { r.sightings = []sighting{{register: p.a}} }
	p.reads("present=false is shown for a", gone)
	g := &group{who: "writer"}
	p.issue(g, p.a, "test", false)
	p.reads("present=false is shown for a", gone) // not committed yet
	p.set(g, 0, ending)
	p.reads("", gone)
	p.reads("", nil, 1)
	p.set(g, 0, committed)
	p.reads("", gone)
	p.writes(committed, p.a)
	p.reads("present=false is shown for a", gone)
}

// However many writes came to nothing in between, an answer may be as old as its question.
func TestHistory_WhatAnAwaitedAnswerMayShowIsRemembered(t *testing.T) {
	p := newPlay(t)
	for range 20 * kept {
		p.writes(committed, p.a)
	}
	asked, before := p.floors(nil), p.a.told
	for range 20 * kept {
		p.writes(rolledBack, p.a)
	}
	p.writes(committed, p.a)
	early := func(r *reading) { r.floors = asked }
	p.reads("", early, before)
	p.reads("", early, p.a.told)
	p.reads("which is rolled back", early, before+1)
	p.reads("", func(r *reading) { r.floors, r.sightings = asked, []sighting{{register: p.a, present: true}} })
	p.reads("which no version from", func(r *reading) { r.floors, r.sightings = asked, []sighting{{register: p.a}} })
}

func TestHistory_RemembersNoMoreThanAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlay(t)
		perMinute := 10 * 60
		for range 10 * perMinute {
			p.writes(rolledBack, p.a)
			p.writes(committed, p.a)
			time.Sleep(time.Minute / time.Duration(perMinute))
		}
		attempts, tellings := len(p.a.attempts), len(p.a.tellings)
		if attempts < 2*perMinute || attempts > 2*perMinute+17*kept || tellings < perMinute || tellings > perMinute+2 {
			t.Errorf("after ten minutes %d attempts and %d tellings are remembered, of 2×%d and %[3]d a minute", attempts, tellings, perMinute)
		}
	})
}
