package sqlscan

// The classes of a byte. A word goes on while a byte has any bit of inWord.
const (
	isOther    = 0
	isLetter   = 1 // also _ and every byte of a character beyond ASCII
	isDigit    = 2
	isDollar   = 4
	isSpace    = 8
	isOperator = 16
	isQuote    = 32

	inWord = isLetter | isDigit | isDollar
)

var class, lower = tables()

// tables builds the class of each byte and its lower case. Only ASCII folds: how the server folds other letters depends
// on its locale, and a name that differs merely there is looked up as it was written.
func tables() (class, lower [256]byte) {
	for i := range 256 {
		c := byte(i)
		lower[i] = c
		switch {
		case 'A' <= c && c <= 'Z':
			lower[i] = c | 0x20
			class[i] = isLetter
		case 'a' <= c && c <= 'z', c == '_', c >= 0x80:
			class[i] = isLetter
		case '0' <= c && c <= '9':
			class[i] = isDigit
		case c == '$':
			class[i] = isDollar
		case c == ' ', '\t' <= c && c <= '\r':
			class[i] = isSpace
		case c == '\'', c == '"':
			class[i] = isQuote
		}
	}
	for _, c := range []byte("~!@#^&|`?+-*/%<>=") {
		class[c] = isOperator
	}
	return class, lower
}
