package classify

import (
	"bytes"
	"cmp"
	"strings"

	"overdrive/querycache/sqlscan"
)

// This file looks in the code of functions for the names of parameters of the user's own that it sets. It finds names, and understands nothing: what
// it takes for one is only asked for, which costs little. So it looks into every string, which may be a text that is run.

// maxOwnStrings bounds the strings that may be such names; most of them are those of relations, which are left out later.
const maxOwnStrings = 2000

// maxOwnDepth is how deep strings are looked into that stand in strings.
const maxOwnDepth = 4

// ownNames are those that the code of one function may set.
type ownNames struct {
	set     []string // in SET app.x, or as the first argument of set_config
	strings []string // in strings that are such a name and no more
	unnamed bool     // something is set by a name that does not stand there
}

// addOwnSet adds the names that the code of a function may set. What one function sets by a name that does not stand there may have been given it by
// another.
func (c *Inventory) addOwnSet(source string) {
	var found ownNames
	found.look([]byte(source), 0)
	c.unnamed = c.unnamed || found.unnamed
	addOwn(c.ownSet, found.set, maxOwnSet)
	addOwn(c.ownStrings, found.strings, maxOwnStrings)
}

func addOwn(to map[string]bool, names []string, most int) {
	for _, name := range names {
		if len(to) < most {
			to[name] = true
		}
	}
}

// look looks at a text which stands in so many strings.
func (n *ownNames) look(text []byte, depth int) {
	for _, s := range statements(text) {
		for i, t := range s {
			switch {
			case t.is("set"):
				n.setBy(s[i+1:], depth > 0)
			case t.name == "set_config" && s.at(i+1).text == "(":
				name, whole := s[i+2:].firstString()
				if !whole || !n.add(&n.set, name) && !isParameter(name) {
					n.unnamed = true
				}
			}
			inside, ok := t.content()
			switch {
			case !ok || n.add(&n.strings, string(inside)):
			case depth == maxOwnDepth:
				n.unnamed = true
			default:
				n.look(inside, depth+1)
			}
		}
	}
}

// firstString returns the first argument of a call, if that is one string, perhaps with a cast to text.
func (s statement) firstString() (string, bool) {
	content, ok := s.at(0).content()
	behind := s.at(1)
	if behind.text == "::" && s.at(2).is("text") {
		behind = s.at(3)
	}
	return string(content), ok && behind.text == ","
}

// setBy looks at what stands behind SET. In a string the name may be put together, unless the value stands behind it.
func (n *ownNames) setBy(s statement, quoted bool) {
	if s.at(0).is("session", "local") {
		s = s[1:]
	}
	var name strings.Builder
	end := 0
	for ; end < len(s) && (end%2 == 0 && s[end].name != "" || end%2 == 1 && s[end].text == "."); end++ {
		name.WriteString(cmp.Or(s[end].name, "."))
	}
	whole := s.at(end).text == "=" || s.at(end).is("to", "from")
	n.unnamed = n.unnamed || quoted && !whole
	n.add(&n.set, name.String())
}

// add adds a name to those in to, and reports whether it can be one of the user's own.
func (n *ownNames) add(to *[]string, name string) bool {
	if !isParameter(name) || !isOwn(name) || len(name) > maxOwnName {
		return false
	}
	*to = append(*to, sqlscan.Fold(name))
	return true
}

// isParameter reports whether a text has the form of a name of a parameter: words, with dots between them.
func isParameter(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' || strings.ContainsFunc(part, func(r rune) bool { return r < 0x80 && !isWord(byte(r)) && r != '$' }) {
			return false
		}
	}
	return true
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// content returns what a string holds, or a name in double quotes, which other languages than SQL take for one; with its escapes, but for those of quotes.
func (t token) content() ([]byte, bool) {
	text := []byte(t.text)
	switch t.kind {
	case sqlscan.EString:
		text = bytes.ReplaceAll(text[1:], []byte(`\'`), []byte("''"))
	case sqlscan.String, sqlscan.Quoted:
		text = bytes.TrimLeft(text, "nN")
	case sqlscan.UString:
		text = text[len("U&"):]
	case sqlscan.Dollar:
		tag := bytes.IndexByte(text[1:], '$') + 2
		if len(text) < 2*tag {
			return nil, false
		}
		return text[tag : len(text)-tag], true
	default:
		return nil, false
	}
	if len(text) < 2 || text[len(text)-1] != text[0] {
		return nil, false
	}
	quote := text[:1]
	return bytes.ReplaceAll(text[1:len(text)-1], append(quote[:1:1], quote...), quote), true
}
