package sqlscan

// Fold returns a name as PostgreSQL compares it with others: only the letters of ASCII lose their case. app.Ärger and
// app.ärger are two parameters.
func Fold(name string) string {
	for i := range len(name) {
		if lower[name[i]] != name[i] {
			folded := []byte(name)
			for ; i < len(folded); i++ {
				folded[i] = lower[folded[i]]
			}
			return string(folded)
		}
	}
	return name
}

// IsASCII reports whether text has no byte beyond ASCII. Such a text reads the same under every encoding of PostgreSQL.
func IsASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// NamesAreASCII reports whether bytes beyond ASCII stand in comments and in constants only, so that every name and every
// keyword reads the same under all encodings whose further bytes are beyond ASCII too.
func NamesAreASCII(text []byte) bool {
	for scan := Scan(text); scan.Next() != End; {
		switch scan.Kind {
		case String, EString, UString, Dollar, Bits:
			continue
		}
		if !IsASCII(text[scan.Start:scan.End]) {
			return false
		}
	}
	return true
}
