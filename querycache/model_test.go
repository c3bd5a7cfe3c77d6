package querycache

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"overdrive/querycache/verdict"
)

// A model is a database of a few counters, with readers and writers who take their steps one at a time in an order made
// by chance. The cache must serve what the database says at that very moment, and nothing while a writer is at work.
type model struct {
	t       *testing.T
	rng     *rand.Rand
	d       *Database
	clock   *clock
	value   [3]int // committed
	open    [3]int // writers at work
	readers []*reader
	writers []*modelWriter
	served  map[Status]int
}

// reader asks for the sum of two counters, again and again.
type reader struct {
	m      *model
	of     [2]int
	fill   *Fill
	seen   string
	asked  bool // the server was asked, seen is its answer
	ticket *Ticket
	woken  int
	alone  bool
	left   bool
}

type modelWriter struct {
	m       *model
	of      int
	write   *Write
	visible bool
}

func (r *reader) Wake(alone bool) {
	if r.ticket == nil || r.left {
		r.m.t.Errorf("woken without need")
	}
	r.woken++
	r.alone = alone
}

func (m *model) sum(of [2]int) string { return strconv.Itoa(m.value[of[0]]*1000 + m.value[of[1]]) }

func (r *reader) step() {
	m := r.m
	switch {
	case r.ticket != nil && r.woken == 0:
		if m.rng.IntN(10) == 0 {
			if r.left = true; !r.ticket.Leave() {
				m.t.Errorf("asleep and may not leave")
			}
			r.ticket, r.left = nil, false
		}
	case r.ticket != nil:
		if r.woken > 1 || r.ticket.Leave() {
			m.t.Errorf("woken %d times, or left afterwards", r.woken)
		}
		r.ticket, r.woken = nil, 0
	case r.fill == nil:
		r.ask()
	case !r.asked:
		r.seen, r.asked = m.sum(r.of), true
	default:
		switch m.rng.IntN(6) {
		case 0:
			r.fill.Abort()
		case 1:
			r.fill.Spoil()
		default:
			r.fill.Append([]byte(r.seen))
			r.fill.Commit()
		}
		r.fill, r.asked = nil, false
	}
}

func (r *reader) ask() {
	m := r.m
	for r.of[0] = m.rng.IntN(3); ; {
		if r.of[1] = m.rng.IntN(3); r.of[1] != r.of[0] {
			break
		}
	}
	v := reading(verdict.RelationID(r.of[0]+1), verdict.RelationID(r.of[1]+1))
	var w Waiter = r
	if r.alone {
		w = nil
	}
	r.alone = false
	o := m.d.Ask(&Request{Key: fmt.Appendf(nil, "%d+%d", r.of[0], r.of[1]), Verdict: v}, w)
	m.served[o.Status]++
	r.fill, r.ticket = o.Fill, o.Ticket
	if o.Answer == nil {
		return
	}
	if m.open[r.of[0]]+m.open[r.of[1]] > 0 {
		m.t.Errorf("%s while a writer is at work", o.Status)
	}
	if string(o.Answer) != m.sum(r.of) {
		m.t.Errorf("%s: served %s, the database says %s", o.Status, o.Answer, m.sum(r.of))
	}
}

func (w *modelWriter) step() {
	m := w.m
	switch {
	case w.write == nil:
		w.of = m.rng.IntN(3)
		w.write = m.d.BeginWrite(writing(verdict.RelationID(w.of + 1)))
		w.visible = false
		m.open[w.of]++
	case !w.visible && m.rng.IntN(3) == 0:
		w.write.Withdraw()
		w.write = nil
		m.open[w.of]--
	case !w.visible:
		m.value[w.of]++
		w.visible = true
	default:
		w.write.End()
		w.write = nil
		m.open[w.of]--
	}
}

func TestModel_ServesWhatTheDatabaseSaysInAnyOrderOfSteps(t *testing.T) {
	served := map[Status]int{}
	for seed := range uint64(300) {
		c, clock := newTestCache(1 << 16)
		m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 0)), clock: clock, served: served}
		m.d = c.Database("shop", Policy{Enabled: true, MaxAge: time.Second, StaleWhileRevalidate: time.Second})
		for range 6 {
			m.readers = append(m.readers, &reader{m: m})
		}
		m.writers = []*modelWriter{{m: m}, {m: m}}
		for range 400 {
			m.step()
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		m.finish()
	}
	for _, s := range []Status{Hit, Stale, Miss, Waiting, verdict.Unsettled} {
		if served[s] < 100 {
			t.Errorf("the model is too tame: %v", served)
		}
	}
}

func (m *model) step() {
	switch n := m.rng.IntN(100); {
	case n < 80:
		m.readers[m.rng.IntN(len(m.readers))].step()
	case n < 92:
		m.writers[m.rng.IntN(len(m.writers))].step()
	case n < 99:
		m.clock.now += time.Duration(m.rng.IntN(600)) * time.Millisecond
	default:
		m.d.Purge()
	}
}

// finish ends all fills: then nobody may be asleep, and no memory may be used but for entries.
func (m *model) finish() {
	for _, r := range m.readers {
		r.fill.Abort()
	}
	for _, r := range m.readers {
		if r.ticket != nil && r.woken != 1 {
			m.t.Errorf("asleep for ever, or woken %d times", r.woken)
		}
	}
	if used, kept := m.d.cache.UsedBytes(), m.d.Stats().Bytes; used != kept {
		m.t.Errorf("%d bytes used, %d of them by entries", used, kept)
	}
	for i := range m.d.shards {
		if n := len(m.d.shards[i].flights); n != 0 {
			m.t.Errorf("%d fills are still listed", n)
		}
	}
}
