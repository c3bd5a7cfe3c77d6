package nodetree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// MaxSize is the length in bytes of the longest tree that is read.
	MaxSize = 1 << 20

	// maxDepth bounds the nesting of nodes and lists.
	maxDepth = 1000
)

// kind says what a value is.
type kind uint8

const (
	null   kind = iota // <>
	scalar             // a word or number, unescaped, in text
	list               // (…)
	object             // {NAME :field value …}
	datum              // 4 [ 1 0 0 0 ]: the bytes, in text
)

// value is one value of a tree.
type value struct {
	kind   kind
	text   string
	items  []value // of a list
	name   string  // of an object
	fields []field
}

type field struct {
	name  string
	value value
}

// get returns the value of a field of an object.
func (v *value) get(name string) (value, bool) {
	for _, f := range v.fields {
		if f.name == name {
			return f.value, true
		}
	}
	return value{}, false
}

var errEnd = errors.New("the text ends inside of a tree")

// reader cuts a text into values.
type reader struct {
	text  string
	pos   int
	depth int
}

// parse returns the one value that text holds.
func parse(text string) (value, error) {
	if len(text) > MaxSize {
		return value{}, fmt.Errorf("the tree has %d bytes, more than %d", len(text), MaxSize)
	}
	r := &reader{text: text}
	v, err := r.value()
	if err == nil && r.peek() != 0 {
		err = errors.New("there is more behind the tree")
	}
	return v, err
}

// peek skips white space and returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; c {
		case ' ', '\n', '\t':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// value reads a value and the datum that may stand behind its first token.
func (r *reader) value() (value, error) {
	if r.depth++; r.depth > maxDepth {
		return value{}, fmt.Errorf("the tree is nested more than %d levels deep", maxDepth)
	}
	defer func() { r.depth-- }()
	switch r.peek() {
	case 0:
		return value{}, errEnd
	case '{':
		r.pos++
		return r.object()
	case '(':
		r.pos++
		return r.list()
	case ')', '}':
		return value{}, fmt.Errorf("a value is missing before %q", r.text[r.pos])
	}
	raw := r.token()
	if raw == "<>" {
		return value{kind: null}, nil
	}
	if r.peek() == '[' {
		return r.datum(raw)
	}
	return value{kind: scalar, text: unescape(raw)}, nil
}

// token returns the bytes to the next one that ends a token, escapes and all. There is at least one.
func (r *reader) token() string {
	start := r.pos
	for r.pos < len(r.text) {
		switch r.text[r.pos] {
		case ' ', '\n', '\t', '(', ')', '{', '}':
			return r.text[start:r.pos]
		case '\\':
			r.pos++
		}
		r.pos++
	}
	r.pos = min(r.pos, len(r.text))
	return r.text[start:]
}

func unescape(token string) string {
	if !strings.Contains(token, `\`) {
		return token
	}
	var out strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] == '\\' && i+1 < len(token) {
			i++
		}
		out.WriteByte(token[i])
	}
	return out.String()
}

func (r *reader) list() (value, error) {
	v := value{kind: list}
	for {
		switch r.peek() {
		case 0:
			return value{}, errEnd
		case ')':
			r.pos++
			return v, nil
		}
		item, err := r.value()
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
	}
}

// object reads from behind the brace.
func (r *reader) object() (value, error) {
	switch r.peek() {
	case 0:
		return value{}, errEnd
	case '(', ')', '{', '}':
		return value{}, errors.New("a node has no name")
	}
	v := value{kind: object, name: r.token()}
	for {
		switch r.peek() {
		case 0:
			return value{}, errEnd
		case '}':
			r.pos++
			return v, nil
		case ':':
		default:
			return value{}, fmt.Errorf("a field of %s has no name", v.name)
		}
		name := r.token()[1:]
		content, err := r.value()
		if err != nil {
			return value{}, err
		}
		v.fields = append(v.fields, field{name, content})
	}
}

// datum reads the bytes of a constant, from its opening bracket. Bytes are written as signed numbers.
func (r *reader) datum(size string) (value, error) {
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil {
		return value{}, fmt.Errorf("the length of a constant is %q", size)
	}
	var bytes []byte
	r.token()
	for {
		switch r.peek() {
		case 0, '(', ')', '{', '}':
			return value{}, errors.New("a constant does not end")
		}
		token := r.token()
		if token == "]" {
			break
		}
		b, err := strconv.ParseInt(token, 10, 16)
		if err != nil || b < -128 || b > 255 {
			return value{}, fmt.Errorf("a byte of a constant is %q", token)
		}
		bytes = append(bytes, byte(b))
	}
	if uint64(len(bytes)) < n { // a value passed by value is padded
		return value{}, fmt.Errorf("a constant of %d bytes has %d", n, len(bytes))
	}
	return value{kind: datum, text: string(bytes)}, nil
}
