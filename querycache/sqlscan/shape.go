package sqlscan

import (
	"math/bits"
	"slices"
)

// Flags tell what a shape cannot: facts about one text.
type Flags uint8

const (
	// SpecialDate: a string holds a word such as 'today' that a date type reads as the present, or might hold one
	// behind escapes.
	SpecialDate Flags = 1 << iota
	// Multi: a semicolon has a token behind it and another before it.
	Multi
	// Empty: no token but semicolons.
	Empty
	// Unterminated: the text ends inside a string, a quoted identifier or a comment. The shape means nothing.
	Unterminated
	// Encoded: an identifier is written U&"…", so that names cannot be compared as they stand.
	Encoded
	// Hinted: a comment is meant for the cache, see Hint.
	Hinted
)

// Has reports whether any flag of mask is set.
func (f Flags) Has(mask Flags) bool { return f&mask != 0 }

// AppendShape appends the shape of text to dst and returns it with the flags of text. Two texts have the same shape if
// and only if the appended bytes are equal.
func AppendShape(dst, text []byte) ([]byte, Flags) {
	r := reducer{scan: Scan(text)}
	for r.next() {
		switch r.lead {
		case blank:
			dst = append(dst, ' ')
		case semicolon:
			dst = append(dst, ' ', ';', ' ')
		}
		if r.constant != "" {
			dst = append(dst, r.constant...)
			continue
		}
		token := text[r.scan.Start:r.scan.End]
		n := len(dst)
		dst = slices.Grow(dst, len(token))[:n+len(token)]
		out := dst[n:][:len(token)]
		if r.scan.Kind == Word {
			for i, c := range token {
				out[i] = lower[c]
			}
		} else {
			for i, c := range token { //nolint:gosimple // tokens are short: a call of copy costs a fifth more in all
				out[i] = c
			}
		}
	}
	return dst, r.flags
}

// Shape returns a 64-bit hash of the shape of text, the same in every process, and the flags of text. Different shapes
// may share a hash: what must be certain compares AppendShape. It does not allocate.
func Shape(text []byte) (uint64, Flags) {
	var h hash
	r := reducer{scan: Scan(text)}
	for r.next() {
		switch r.lead {
		case blank:
			h.byte(' ')
		case semicolon:
			h.byte(';')
		}
		switch {
		case r.constant != "":
			for i := range len(r.constant) {
				h.byte(r.constant[i])
			}
		case r.scan.Kind == Word:
			for _, c := range text[r.scan.Start:r.scan.End] {
				h.byte(lower[c])
			}
		default:
			for _, c := range text[r.scan.Start:r.scan.End] {
				h.byte(c)
			}
		}
	}
	return h.sum(), r.flags
}

// reducer walks over a text and decides what its shape holds.
type reducer struct {
	scan  Scanner
	flags Flags // of the text so far

	// Set by next: the shape goes on with lead and then constant, or where that is empty with the token as it stands.
	lead     lead
	constant string

	begun  bool // some token was kept
	parted bool // a semicolon waits for a token behind it
}

// lead is what stands before a token in a shape.
type lead uint8

const (
	nothing   lead = iota
	blank          // " "
	semicolon      // " ; "
)

// next goes to the next token that is kept and reports whether there is one.
func (r *reducer) next() bool {
	kind := r.scan.Next()
	for kind == Punct && r.scan.text[r.scan.Start] == ';' {
		r.parted = r.begun
		kind = r.scan.Next()
	}
	if r.scan.Broken {
		r.flags |= Unterminated
	}
	if kind == End {
		if r.scan.hinted {
			r.flags |= Hinted
		}
		if !r.begun {
			r.flags |= Empty
		}
		return false
	}
	switch {
	case r.parted:
		r.flags |= Multi
		r.lead = semicolon
	case r.begun:
		r.lead = blank
	}
	r.begun, r.parted = true, false
	r.constant = ""
	if kind == Word {
		return true
	}
	switch kind {
	case String, EString, Dollar:
		r.constant = "'s'"
		r.dates()
	case UString:
		r.constant = "u&'s'" // told apart, because UESCAPE may stand behind this kind only
		r.dates()
	case Bits:
		r.constant = "b'0'"
	case Number:
		r.constant = "1"
	case UQuoted:
		r.flags |= Encoded
	}
	return true
}

// dates sets SpecialDate if the string at hand may hold such a word.
func (r *reducer) dates() {
	if r.flags&SpecialDate == 0 && mayHoldSpecialDate(r.scan.text[r.scan.Start:r.scan.End], r.scan.Token) {
		r.flags |= SpecialDate
	}
}

// hash folds bytes eight at a time, in the manner of wyhash.
type hash struct {
	state, word uint64
	n           uint64
}

const (
	hashA = 0xa0761d6478bd642f
	hashB = 0xe7037ed1a0b428db
)

func (h *hash) byte(c byte) {
	h.word = h.word<<8 | uint64(c)
	h.n++
	if h.n&7 == 0 {
		h.fold()
	}
}

func (h *hash) fold() {
	hi, lo := bits.Mul64(h.word^hashA, h.state^hashB)
	h.state = hi ^ lo
	h.word = 0
}

func (h *hash) sum() uint64 {
	h.fold()
	h.word = h.n
	h.fold()
	return h.state
}
