package config

import (
	"net/url"
	"strings"
)

// What is said of a variable that is not set stands around its name.
const (
	unsetBefore = "the environment variable "
	unsetBehind = " is not set"
)

// expander replaces ${NAME} in texts of the file by the environment's values. $${ stands for the two characters ${.
type expander struct {
	env func(name string) (value, wrong string) // wrong says why there is no value; empty: there is one
	// encode says how value is written where the variable at the given offset of the text was; nil is as it is.
	encode func(offset int, value string) string
}

// expand returns s with its variables replaced, and what is wrong with them. What is wrong never quotes anything but
// well-formed names, since a password with a ${ in it can get here.
func (x expander) expand(s string) (out string, wrong []string) {
	var b strings.Builder
	at := 0
	for {
		i := strings.Index(s[at:], "${")
		if i < 0 {
			b.WriteString(s[at:])
			return b.String(), wrong
		}
		start := at + i
		if start > at && s[start-1] == '$' {
			b.WriteString(s[at:start-1] + "${")
			at = start + len("${")
			continue
		}
		b.WriteString(s[at:start])
		name, _, closed := strings.Cut(s[start+len("${"):], "}")
		if !closed || !isVariable(name) {
			return "", append(wrong, "${ must be followed by a variable's name and }; $${ stands for the characters ${")
		}
		value, missing := x.env(name)
		if missing != "" {
			wrong = append(wrong, missing)
		}
		if x.encode != nil {
			value = x.encode(start, value)
		}
		b.WriteString(value)
		at = start + len("${") + len(name) + len("}")
	}
}

func isVariable(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// encodeUserinfo returns an encoder for the variables of a connection string. Those in its user and password are
// percent-encoded: a secret arrives as it is, and its @ or / must not become part of the URL's grammar.
func encodeUserinfo(dsn string) func(int, string) string {
	start := strings.Index(dsn, "://")
	if start < 0 {
		return nil
	}
	start += len("://")
	authority := dsn[start:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	end := start + strings.LastIndexByte(authority, '@')
	return func(offset int, value string) string {
		if offset < start || offset >= end {
			return value
		}
		// PathEscape leaves these as they are, and in the user part they mean something.
		return strings.NewReplacer(":", "%3A", "@", "%40").Replace(url.PathEscape(value))
	}
}
