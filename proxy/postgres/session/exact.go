package session

import (
	"hash/maphash"

	"overdrive/querycache"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// exactTexts remembers what was made of texts that come again and again, letter for letter, so that a hit costs no look at their
// tokens. One serves all sessions of a loop, and takes no lock. A text is kept when it comes for the second time in a row
// that fell to its slot: texts with values written into them mostly come once.
type exactTexts struct {
	seed  maphash.Seed
	slots []exactText // made when first needed
}

// exactText is one text, as seen through one lens. Its buffers are used again for the next.
type exactText struct {
	hash    uint64
	lens    *Lens
	verdict *classify.Verdict // nil: only the hash is known
	hint    *querycache.Hint
	text    []byte
	key     []byte
}

// Bounds of exactTexts: about 4 MiB for a loop at most.
const (
	exactSlots   = 1024
	maxExactText = 2 << 10
)

// find returns the slot of a text that is known and whose verdict still holds, or nil.
func (x *exactTexts) find(l *Lens, text []byte) *exactText {
	if x.slots == nil || len(text) > maxExactText {
		return nil
	}
	hash := maphash.Bytes(x.seed, text)
	e := &x.slots[hash%exactSlots]
	if e.hash == hash && e.lens == l && e.verdict != nil && string(e.text) == string(text) && l.Classifier.Current(e.verdict) {
		return e
	}
	return nil
}

func (x *exactTexts) note(l *Lens, r *querycache.Request, v *classify.Verdict) {
	if len(r.Text) > maxExactText {
		return
	}
	if x.slots == nil {
		x.seed, x.slots = maphash.MakeSeed(), make([]exactText, exactSlots)
	}
	hash := maphash.Bytes(x.seed, r.Text)
	e := &x.slots[hash%exactSlots]
	if e.hash != hash || e.lens != l {
		e.hash, e.lens, e.verdict, e.hint = hash, l, nil, nil
		return
	}
	e.verdict, e.hint = v, r.Hint
	e.text = append(e.text[:0], r.Text...)
	e.key = append(e.key[:0], r.Key...)
}

// request makes the workspace's request for a text with this verdict, whose key is still to be begun. known is what find returned for
// it; a text that is not known is remembered.
func (x *exactTexts) request(s *Session, text []byte, v *classify.Verdict, known *exactText) *querycache.Request {
	r := &s.space.request
	*r = querycache.Request{Verdict: &v.Statement, Text: text}
	if known != nil && known.verdict == v {
		r.Key, r.Hint = known.key, known.hint
		return r
	}
	s.space.spare = sqlscan.AppendKey(s.space.spare[:0], text)
	r.Key, r.Hint = s.space.spare, HintOf(text)
	if r.Hint != nil && len(r.Hint.Unknown) > 0 {
		s.driver.Misunderstood(r.Hint.Unknown)
	}
	x.note(s.lens(), r, v)
	return r
}
