package session

import (
	"fmt"
	"math"
	"testing"
	"time"

	"overdrive/querycache/classify"
)

// sent are statements that were noted on one connection, each in a batch of its own.
func sent(st *stage, sql ...string) *marks {
	m := &marks{conn: &ServerConn{identity: st.identity}}
	for _, one := range sql {
		m.conn.owed.sent++
		m.note(st.identity.Usual.Classifier.Judge([]byte(one)))
	}
	return m
}

// However many statements are under way, none of them is forgotten before its batch is answered.
func TestUnderWay_OneStandsForThoseBeyondTheBound(t *testing.T) {
	for _, n := range []int{0, 1, maxUnderWay - 1, maxUnderWay, maxUnderWay + 1, 3 * maxUnderWay} {
		st := newStage(t, setup{servers: 1, cache: true})
		c := st.identity.Usual.Classifier
		var reads []string
		for i := range n {
			reads = append(reads, fmt.Sprintf("select a from t1 as x%d", i))
		}
		m := sent(st, append(reads, "select a from t")...)
		if len(m.underWay) > maxUnderWay+1 {
			t.Errorf("%d statements are noted of %d", len(m.underWay), n+1)
		}
		if m.settle(uint64(n + 1)) {
			t.Errorf("%d statements that were answered before there was DDL are taken for others", n)
		}
		c.Doubt(c.Judge([]byte("alter table t validate constraint c")).Touch)
		c.Doubt(c.Judge([]byte("alter table t rename to t5")).Touch)
		if !m.settle(math.MaxUint64) {
			t.Errorf("the last of %d statements is not known to be another", n+1)
		}
		if len(m.underWay) != 0 {
			t.Errorf("%d statements are left of %d", len(m.underWay), n+1)
		}
	}
}

// What counts is when a statement was judged, not when it was sent: it may have waited in between.
func TestUnderWay_WhatWaitedSinceItWasJudgedIsComparedWithWhatHasChanged(t *testing.T) {
	st := newStage(t, setup{servers: 1, cache: true})
	c, m := st.identity.Usual.Classifier, sent(st)
	read, other := c.Judge([]byte("select a from t")), c.Judge([]byte("select a from t2"))
	c.Doubt(c.Judge([]byte("alter table t rename to t5")).Touch)
	m.note(other)
	if m.settle(math.MaxUint64) {
		t.Error("a read of another table is taken for another")
	}
	if m.note(read); !m.settle(math.MaxUint64) {
		t.Error("a read of a table that was renamed before it was sent is not")
	}
}

// DDL is announced to others from when it may be committed until it is over; of a lost connection, until its time is up.
func TestAlterations_AreForgottenWhenTheyAreOver(t *testing.T) {
	now := time.Unix(0, 0)
	a := Alterations{}
	st := newStage(t, setup{servers: 1, cache: true})
	touch := func(sql string) *classify.Touch { return st.identity.Usual.Classifier.Judge([]byte(sql)).Touch }
	own, other := &marks{}, &marks{}
	renames, builds, lost, vast := mark{touches: []*classify.Touch{touch("alter table t rename to t5")}}, mark{touches: []*classify.Touch{touch("alter table t validate constraint c")}},
		mark{touches: []*classify.Touch{touch("drop table t1")}}, mark{vast: true}
	want := func(from *marks, n int) {
		t.Helper()
		if got := len(a.announced(from, now)); got != n {
			t.Errorf("%d are announced, want %d", got, n)
		}
	}
	a.announce(own, &builds)
	want(other, 0)
	a.announce(own, &renames)
	a.announce(own, &renames)
	a.announce(other, &lost)
	a.announce(other, &vast)
	want(own, 2)
	want(other, 1)
	want(nil, 3)
	a.forget(&builds)
	a.forget(&vast)
	a.abandon(&lost, now)
	want(other, 2) // the number is that of the lost connection no more
	a.forget(&renames)
	now = now.Add(time.Hour)
	want(nil, 0)
	if a.count.Load() != 0 {
		t.Error("they are counted still")
	}
}
