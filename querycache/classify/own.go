package classify

import (
	"strings"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

// ownPrefix begins the names of the proxy's own parameters.
const ownPrefix = "overdrive"

// ownStatement returns s as a statement for the proxy, or nil:
//
//	SHOW overdrive.name
//	SET [SESSION | LOCAL] overdrive.name { = | TO } { value | DEFAULT }
//	RESET overdrive.name
//
// A SET of any other form is left to the server, which then complains.
func ownStatement(s statement) *verdict.Own {
	verb, n := s.at(0).text, 1
	switch {
	case s.at(0).is("show", "reset"):
	case s.at(0).is("set"):
		if s.at(1).is("session", "local") {
			if s.at(1).is("local") {
				verb = "set local"
			}
			n = 2
		}
	default:
		return nil
	}
	if strings.ToLower(s.at(n).name) != ownPrefix || s.at(n+1).text != "." || s.at(n+2).name == "" {
		return nil
	}
	own := &verdict.Own{Verb: verb, Name: strings.ToLower(s.at(n + 2).name)}
	rest := s[n+3:]
	if !s.at(0).is("set") {
		if len(rest) != 0 {
			return nil
		}
		return own
	}
	if len(rest) < 2 || !rest[0].is("to") && rest[0].text != "=" {
		return nil
	}
	value, ok := ownValue(rest[1:])
	own.Value = value
	if !ok {
		return nil
	}
	return own
}

// ownValue decodes the value of a SET: one word, number or plain string. DEFAULT and the empty string both give "".
func ownValue(s statement) (string, bool) {
	sign := ""
	if s.at(0).text == "-" && s.at(1).kind == sqlscan.Number {
		sign, s = "-", s[1:]
	}
	if len(s) != 1 {
		return "", false
	}
	switch t := s[0]; t.kind {
	case sqlscan.Word, sqlscan.Quoted:
		if t.is("default") {
			return "", true
		}
		return t.name, true
	case sqlscan.Number:
		return sign + t.text, true
	case sqlscan.String:
		body := t.text[strings.IndexByte(t.text, '\'')+1:]
		body, closed := strings.CutSuffix(body, "'")
		return strings.ReplaceAll(body, "''", "'"), closed
	}
	return "", false
}
