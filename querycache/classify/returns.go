package classify

import (
	"overdrive/querycache/sqlscan"
)

// A Return is a RESET, or a SET … TO DEFAULT, behind which another statement stands in its text.
type Return struct {
	Names []string // of the parameters, in lower case; "all"
	Nth   int      // the number of the statement in its text, from 1
	End   int      // of the statement with its semicolon, in bytes
}

// Returns finds them in a text. It finds none where a semicolon may stand within a statement.
func Returns(text []byte) []Return {
	var all []Return
	var one statement
	n, depth := 0, 0
	for scan := sqlscan.Scan(text); scan.Next() != sqlscan.End; {
		tok := tokenOf(text, scan.Token)
		switch {
		case tok.text == "(":
			depth++
		case tok.text == ")":
			depth--
		case tok.is("atomic"), tok.isSemicolon() && depth != 0:
			return nil
		}
		if !tok.isSemicolon() {
			one = append(one, tok)
			continue
		}
		if len(one) == 0 {
			continue
		}
		n++
		var order assignments
		setParameters(new(Verdict), &order, one)
		for _, a := range order {
			if a.reset {
				all = append(all, Return{a.names, n, scan.End})
			}
		}
		one = one[:0]
	}
	if len(one) == 0 && len(all) > 0 && all[len(all)-1].Nth == n { // nothing stands behind the last
		all = all[:len(all)-1]
	}
	return all
}
