package traffic

import "slices"

// classes are the classes of SQLSTATEs that errors are counted by, in order: those of PostgreSQL (appendix "Error Codes"). What peers
// send may be anything, so everything else is one class more.
var classes = []string{
	"00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23", "24", "25", "26", "27", "28", "2B",
	"2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
	OtherClass,
}

// OtherClass is the word for SQLSTATEs of a class that is not known.
const OtherClass = "other"

// AddError counts an error by the class of its SQLSTATE, if b was made for that.
func (b *ByWord) AddError(code string) {
	i := len(classes) - 1
	if len(code) == 5 { // as every SQLSTATE
		if at, known := slices.BinarySearch(classes[:i], code[:2]); known {
			i = at
		}
	}
	b.Add(i)
}
