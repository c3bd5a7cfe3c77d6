package settings

// Fold returns the name of a parameter as PostgreSQL compares it with others (guc_name_compare): only the letters of ASCII lose
// their case. app.Ärger and app.ärger are two parameters.
func Fold(name string) string {
	for i := range len(name) {
		if fold(name[i]) != name[i] {
			folded := []byte(name)
			for ; i < len(folded); i++ {
				folded[i] = fold(folded[i])
			}
			return string(folded)
		}
	}
	return name
}

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
