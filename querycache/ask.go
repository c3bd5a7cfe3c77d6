package querycache

import (
	"time"

	"overdrive/querycache/classify"
)

const (
	Stale     Status = "stale"
	Coalesced Status = "coalesced"
	Waiting   Status = "waiting"
)

type Hint struct{ NoCache bool }

func HintOf([]byte) *Hint { return nil }

type Request struct {
	Key     []byte
	Verdict *classify.Verdict
	Text    []byte
	User    string
	Hint    *Hint
	MaxAge  *time.Duration
}
type Waiter interface{ Wake(alone bool) }
type Ticket struct{}

func (*Ticket) Leave() bool { return true }

type Outcome struct {
	Status Status
	Answer []byte
	Fill   *Fill
	Ticket *Ticket
}

func (d *Database) Ask(r *Request, w Waiter) Outcome {
	e, s := d.Get(r.Key, r.Verdict)
	if e != nil {
		return Outcome{Status: s, Answer: e.Bytes()}
	}
	if s == Miss {
		return Outcome{Status: s, Fill: d.Begin(r.Key, r.Verdict)}
	}
	return Outcome{Status: s}
}
func (f *Fill) Spoil() { f.Abort() }
func (w *Write) Withdraw() {
	if w == nil || w.ended {
		return
	}
	w.ended = true
	for _, c := range w.cells {
		c.word.Add(^uint64(0))
	}
}
func (d *Database) Note(*classify.Verdict) {}
