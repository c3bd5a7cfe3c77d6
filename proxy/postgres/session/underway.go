package session

import (
	"slices"

	"overdrive/querycache/classify"
)

// This file notes the statements of a server connection that are under way, those that only read as well: by DDL of others that is committed before
// they run they may be other statements than their verdicts say; see alterations.go. It is known what they have done when no transaction is open.
//
//	note ──▶ under way ── answered, and no transaction is open ──▶ settled: if it may have been another, everything may have been written

// maxUnderWay bounds the statements that are told apart.
const maxUnderWay = 64

// An underWay is a statement, or several that are the same. Of those beyond maxUnderWay one stands for all, the last, and hangs on anything.
type underWay struct {
	meaning *classify.Meaning
	batch   uint64 // of the last
}

// note is called before a statement is sent.
func (m *marks) note(v *classify.Verdict) {
	one := underWay{v.Meaning, m.conn.owed.sent}
	if one.meaning == nil || m.conn.identity.Cache == nil && !v.DDL {
		return
	}
	for i := range m.underWay {
		if known := &m.underWay[i]; known.meaning == one.meaning || i == maxUnderWay {
			known.batch = one.batch
			return
		}
	}
	if len(m.underWay) == maxUnderWay {
		one.meaning = one.meaning.Loosely()
	}
	m.underWay = append(m.underWay, one)
}

// announced returns what others have announced.
func (m *marks) announced() []*classify.Touch {
	a := m.conn.identity.Alterations
	if a.count.Load() == 0 {
		return nil
	}
	return a.announced(m, m.conn.space.now())
}

// settle takes out the statements whose batches were answered, those below a number, and reports whether one of them may have been another than its
// verdict says.
func (m *marks) settle(batch uint64) (moved bool) {
	if len(m.underWay) == 0 {
		return false
	}
	committing := m.announced()
	m.underWay = slices.DeleteFunc(m.underWay, func(one underWay) bool {
		if one.batch >= batch {
			return false
		}
		moved = moved || !one.meaning.Held(committing)
		return true
	})
	return moved
}
