package pgwire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A Startup is the content of a StartupMessage.
type Startup struct {
	Version uint32
	// Params in the order sent; the names "user", "database" and "options" are among them.
	Params []Param
}

// A Param is one name and value of a StartupMessage.
type Param struct{ Name, Value string }

// ParseStartup reads a StartupMessage of protocol major version 3. rest is what ReadStartup returned.
func ParseStartup(version uint32, rest []byte) (Startup, error) {
	s := Startup{Version: version}
	for len(rest) > 0 && rest[0] != 0 {
		name, after, ok := CutString(rest)
		if !ok {
			return s, fmt.Errorf("startup packet: %w", ErrBody)
		}
		value, after, ok := CutString(after)
		if !ok {
			return s, fmt.Errorf("startup packet: no value for %q: %w", name, ErrBody)
		}
		s.Params = append(s.Params, Param{string(name), string(value)})
		rest = after
	}
	if len(rest) != 1 {
		return s, fmt.Errorf("startup packet: invalid layout, expected terminator as last byte: %w", ErrBody)
	}
	return s, nil
}

// Get returns the last value sent for name, or "".
func (s *Startup) Get(name string) string {
	value := ""
	for _, p := range s.Params {
		if p.Name == name {
			value = p.Value
		}
	}
	return value
}

// Unknown lists the protocol options (_pq_.*) that were asked for. This package knows none of them, so all must be
// named in NegotiateProtocolVersion.
func (s *Startup) Unknown() []string {
	var names []string
	for _, p := range s.Params {
		if strings.HasPrefix(p.Name, "_pq_.") {
			names = append(names, p.Name)
		}
	}
	return names
}

// AppendNegotiate adds NegotiateProtocolVersion: the newest minor version of 3 that is spoken here, and the options that are not.
func AppendNegotiate(dst []byte, unknown []string) []byte {
	size := 8
	for _, o := range unknown {
		size += len(o) + 1
	}
	dst = AppendHeader(dst, NegotiateProtocolVersion, size)
	dst = binary.BigEndian.AppendUint32(dst, Version30)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(unknown)))
	for _, o := range unknown {
		dst = append(append(dst, o...), 0)
	}
	return dst
}

// ParseOptions reads the startup parameter "options" as the server's command line: -c name=value, -cname=value and
// --name=value, separated by white space, a backslash keeping the character behind it. Dashes in the name of a long
// option count as underscores, as in PostgreSQL.
func ParseOptions(options string) ([]Param, error) {
	words := splitOptions(options)
	var params []Param
	for i := 0; i < len(words); i++ {
		setting, long := "", false
		switch w := words[i]; {
		case w == "-c" && i+1 < len(words):
			i++
			setting = words[i]
		case strings.HasPrefix(w, "--"):
			setting, long = w[2:], true
		case strings.HasPrefix(w, "-c"):
			setting = w[2:]
		}
		name, value, ok := strings.Cut(setting, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("command-line option %q is not a setting", words[i])
		}
		if long {
			name = strings.ReplaceAll(name, "-", "_")
		}
		params = append(params, Param{name, value})
	}
	return params, nil
}

func splitOptions(options string) []string {
	var words []string
	var word strings.Builder
	in := false
	for i := 0; i < len(options); i++ {
		switch c := options[i]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
			continue
		case c == '\\' && i+1 < len(options):
			i++
		}
		in = true
		word.WriteByte(options[i])
	}
	if in {
		words = append(words, word.String())
	}
	return words
}
