package sqlscan

import "bytes"

// Kind says what a token is.
type Kind uint8

const (
	End      Kind = iota // behind the last token
	Word                 // unquoted identifier or keyword
	Quoted               // "identifier"
	UQuoted              // U&"identifier", whose name needs decoding
	String               // '…' or N'…'
	EString              // E'…', with backslash escapes
	UString              // U&'…'
	Dollar               // $$…$$ or $tag$…$tag$
	Bits                 // B'…' or X'…'
	Number               // 1, 1.5, .5, 1e9, 0x1F, 1_000
	Param                // $1
	Operator             // a maximal run of operator characters, by the rules for + and -
	Punct                // one of ( ) [ ] , ; : . or :: := ..
	Stray                // a byte that begins no token; the server refuses it
	space                // white space
	comment              // -- … or /* … */, nested
)

// Token is one token of a text: text[Start:End].
type Token struct {
	Kind       Kind
	Broken     bool // a string, quoted identifier or comment that the text ends in
	Continued  bool // a string made of several pieces with a newline between them
	Start, End int
}

// Scanner walks over one text. Its zero value is at the end of an empty text.
//
// The token at hand is a part of the Scanner and not returned, because copying it costs more than finding it.
type Scanner struct {
	Token // the one found by Next
	text  []byte
	pos   int
	signs int  // up to here stand only + and -, each an operator of its own
	open  bool // a comment was not closed

	hinted bool // a comment was meant for the cache
}

// Scan returns a Scanner at the beginning of text, which must not change while the Scanner is in use.
func Scan(text []byte) Scanner { return Scanner{text: text} }

// Next goes to the next token and returns its kind. It skips white space and comments. Behind the last token it returns
// End for ever; a comment that is not closed is then told by Broken.
func (s *Scanner) Next() Kind {
	for {
		i := s.pos
		for i < len(s.text) && class[s.text[i]] == isSpace {
			i++
		}
		s.pos = i
		s.next()
		switch s.Kind {
		case comment:
			s.open = s.open || s.Broken
			if _, ok := hintIn(s.text[s.Start:s.End]); ok {
				s.hinted = true
			}
		case End:
			s.Broken = s.open
			return End
		default:
			return s.Kind
		}
	}
}

// next goes to the next piece of the text, white space and comments included. Invariant: pieces are never empty and
// follow each other without a gap, so the text is used up after at most len(text) calls.
func (s *Scanner) next() {
	start := s.pos
	s.Token = Token{Start: start, End: start}
	if start >= len(s.text) {
		return
	}
	c := s.text[start]
	switch class[c] {
	case isSpace:
		s.Kind = space
		for s.pos < len(s.text) && class[s.text[s.pos]] == isSpace {
			s.pos++
		}
	case isLetter:
		s.word()
	case isDigit:
		s.number()
	case isOperator:
		s.operatorOrComment()
	case isQuote:
		s.pos++
		if c == '\'' {
			s.Kind = String
			s.quoted(false)
		} else {
			s.Kind = Quoted
			s.identifier()
		}
	case isDollar:
		s.dollar()
	default:
		s.punct()
	}
	s.End = s.pos
}

// at returns the byte i places ahead, or 0 behind the end; 0 begins and continues no token.
func (s *Scanner) at(i int) byte {
	if s.pos+i < len(s.text) {
		return s.text[s.pos+i]
	}
	return 0
}

// word scans an identifier or a string that begins with a letter: E”, B”, X”, N”, U&” and U&"".
func (s *Scanner) word() {
	if next := s.at(1); next != '\'' && next != '&' {
		s.Kind = Word
		i := s.pos + 1
		for i < len(s.text) && class[s.text[i]]&inWord != 0 {
			i++
		}
		s.pos = i
		return
	}
	switch c := s.at(0) | 0x20; {
	case s.at(1) == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n'):
		s.pos += 2
		switch c {
		case 'e':
			s.Kind = EString
		case 'n':
			s.Kind = String
		default:
			s.Kind = Bits
		}
		s.quoted(c == 'e')
		return
	case c == 'u' && s.at(1) == '&' && s.at(2) == '\'':
		s.pos += 3
		s.Kind = UString
		s.quoted(false)
		return
	case c == 'u' && s.at(1) == '&' && s.at(2) == '"':
		s.pos += 3
		s.Kind = UQuoted
		s.identifier()
		return
	}
	s.Kind = Word // of one letter: a quote or & is behind it
	s.pos++
}

// quoted scans a string from behind its opening quote, with the pieces that continue it.
func (s *Scanner) quoted(escapes bool) {
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\\' && escapes:
			s.pos = min(s.pos+1, len(s.text))
		case c == '\'' && s.at(0) == '\'':
			s.pos++
		case c == '\'':
			next := s.continuation()
			if next < 0 {
				return
			}
			s.pos = next
			s.Continued = true
		}
	}
	s.Broken = true
}

// continuation returns the place behind the quote that continues the string just closed, or -1: white space with a
// newline, in which comments of the -- kind count as white space, and then a quote.
func (s *Scanner) continuation() int {
	newline := false
	for i := s.pos; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\n' || c == '\r':
			newline = true
		case class[c] == isSpace:
		case c == '-' && i+1 < len(s.text) && s.text[i+1] == '-':
			end := bytes.IndexAny(s.text[i:], "\n\r")
			if end < 0 {
				return -1
			}
			i += end - 1 // the newline itself is looked at next
		case c == '\'' && newline:
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

// identifier scans a quoted identifier from behind its opening quote.
func (s *Scanner) identifier() {
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		if c != '"' {
			continue
		}
		if s.at(0) != '"' {
			return
		}
		s.pos++
	}
	s.Broken = true
}

// dollar scans $1, $tag$…$tag$ or a stray dollar.
func (s *Scanner) dollar() {
	s.pos++
	if class[s.at(0)] == isDigit {
		s.Kind = Param
		for class[s.at(0)] == isDigit {
			s.pos++
		}
		return
	}
	i := 0
	if class[s.at(0)] == isLetter {
		for class[s.at(i)] == isLetter || class[s.at(i)] == isDigit {
			i++
		}
	}
	if s.at(i) != '$' {
		s.Kind = Stray
		return
	}
	s.Kind = Dollar
	s.pos += i + 1
	end := bytes.Index(s.text[s.pos:], s.text[s.Start:s.pos])
	if end < 0 {
		s.Broken = true
		s.pos = len(s.text)
		return
	}
	s.pos += end + s.pos - s.Start
}

// number scans from a digit, or from a point with a digit behind it.
func (s *Scanner) number() {
	s.Kind = Number
	if s.at(0) == '0' {
		if mask := radix(s.at(1)); mask != 0 && inRadix(s.at(2), mask) {
			s.pos += 2
			for inRadix(s.at(0), mask) || s.at(0) == '_' && inRadix(s.at(1), mask) {
				s.pos++
			}
			return
		}
	}
	s.digits()
	if s.at(0) == '.' && s.at(1) != '.' { // 1..2 is a range, not a fraction
		s.pos++
		s.digits()
	}
	if s.at(0)|0x20 == 'e' {
		sign := 0
		if s.at(1) == '+' || s.at(1) == '-' {
			sign = 1
		}
		if class[s.at(1+sign)] == isDigit {
			s.pos += 1 + sign
			s.digits()
		}
	}
}

func (s *Scanner) digits() {
	i := s.pos
	for i < len(s.text) && (class[s.text[i]] == isDigit || s.text[i] == '_' && i+1 < len(s.text) && class[s.text[i+1]] == isDigit) {
		i++
	}
	s.pos = i
}

// radix returns the base of a literal 0x, 0o or 0b, or 0.
func radix(c byte) byte {
	switch c | 0x20 {
	case 'x':
		return 16
	case 'o':
		return 8
	case 'b':
		return 2
	}
	return 0
}

func inRadix(c, base byte) bool {
	if '0' <= c && c <= '9' {
		return c-'0' < base
	}
	c |= 0x20
	return base == 16 && 'a' <= c && c <= 'f'
}

// operatorOrComment scans a maximal run of operator characters. A comment ends it, and so does a final + or - unless
// the run has a character that standard SQL has no operators with: a=-1 is a = -1, but a@-1 is a @- 1.
func (s *Scanner) operatorOrComment() {
	if s.commentAt(0) {
		s.comment()
		return
	}
	s.Kind = Operator
	if s.pos < s.signs { // of a run that was looked through
		s.pos++
		return
	}
	if class[s.at(1)] != isOperator { // of one character, as most are
		s.pos++
		return
	}
	n, free := 1, unusual(s.at(0))
	for class[s.at(n)] == isOperator && !s.commentAt(n) {
		free = free || unusual(s.at(n))
		n++
	}
	// Every character but the last may free it; the last one is + or - here and frees nothing. All signs of a long run
	// would each look through the rest of it, so its end is noted.
	s.signs = s.pos + n
	for n > 1 && !free && (s.at(n-1) == '+' || s.at(n-1) == '-') {
		n--
	}
	s.pos += n
}

func unusual(c byte) bool {
	switch c {
	case '~', '!', '@', '#', '^', '&', '|', '`', '?', '%':
		return true
	}
	return false
}

func (s *Scanner) commentAt(i int) bool {
	a, b := s.at(i), s.at(i+1)
	return a == '-' && b == '-' || a == '/' && b == '*'
}

func (s *Scanner) comment() {
	s.Kind = comment
	if s.at(0) == '-' {
		end := bytes.IndexAny(s.text[s.pos:], "\n\r")
		if end < 0 {
			s.pos = len(s.text)
			return
		}
		s.pos += end
		return
	}
	s.pos += 2
	for depth := 1; s.pos < len(s.text); {
		switch {
		case s.at(0) == '*' && s.at(1) == '/':
			s.pos += 2
			depth--
			if depth == 0 {
				return
			}
		case s.at(0) == '/' && s.at(1) == '*':
			s.pos += 2
			depth++
		default:
			s.pos++
		}
	}
	s.Broken = true
}

func (s *Scanner) punct() {
	s.Kind = Punct
	switch c := s.at(0); c {
	case '(', ')', '[', ']', ',', ';':
		s.pos++
	case '.':
		switch {
		case class[s.at(1)] == isDigit:
			s.number()
		case s.at(1) == '.':
			s.pos += 2
		default:
			s.pos++
		}
	case ':':
		s.pos++
		if s.at(0) == ':' || s.at(0) == '=' {
			s.pos++
		}
	default:
		s.Kind = Stray
		s.pos++
	}
}
