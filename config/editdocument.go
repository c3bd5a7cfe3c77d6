package config

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document is the text of a file, and where in it each node stands.
type document struct {
	text    []byte
	json    bool
	root    *yaml.Node // as it was written, with aliases; nil if the text says nothing
	meaning any
	newline string
	starts  []int               // offset of each line, YAML's way of counting lines
	spans   map[*yaml.Node]span // of JSON; those of YAML are found when they are needed
}

// span is a part of the text.
type span struct{ start, end int }

func readDocument(format string, text []byte) (*document, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8")
	}
	doc := &document{text: text, json: format == "json", newline: "\n"}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		doc.newline = "\r\n"
	}
	whole, err := parsers[format](text) // whose aliases are resolved: a tree of its own
	if err == nil {
		whole, err = resolveAliases(whole)
	}
	if err != nil {
		return nil, err
	}
	doc.meaning = meaning(whole, make(map[*yaml.Node]any))
	switch format {
	case "json":
		return doc, doc.readJSON()
	case "toml": // is read only
		return doc, nil
	}
	doc.starts = lineStarts(text)
	if doc.root, err = parseYAML(text); err != nil {
		return nil, err
	}
	if doc.root.Line == 0 || isNull(doc.root) && doc.root.Value == "" {
		doc.root = nil
	}
	return doc, nil
}

// lineStarts finds the beginnings of lines. To YAML more than \n ends a line.
func lineStarts(text []byte) []int {
	starts := []int{0}
	if bytes.HasPrefix(text, []byte("\uFEFF")) {
		starts[0] = len("\uFEFF")
	}
	for i, c := range string(text) {
		switch {
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
		case c == '\n', c == '\r', c == '\u0085', c == '\u2028', c == '\u2029':
			starts = append(starts, i+utf8.RuneLen(c))
		}
	}
	return starts
}

// offset is where a node of YAML begins.
func (d *document) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(d.starts) {
		return 0, errLayout
	}
	at := d.starts[n.Line-1]
	for range n.Column - 1 {
		if at >= len(d.text) {
			return 0, errLayout
		}
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	return at, nil
}

// readJSON finds the tree and the spans of a JSON text, which is known to be good.
func (d *document) readJSON() error {
	d.spans = make(map[*yaml.Node]span)
	if len(bytes.TrimSpace(d.text)) == 0 {
		return nil
	}
	j := newJSONReader(d.text)
	j.spans = d.spans
	root, err := j.value()
	d.root = root
	return err
}

// own returns the key and the value of an entry that a table has itself, not by a merge.
func own(table *yaml.Node, name string) (at int, found bool) {
	for i := 0; i+1 < len(table.Content); i += 2 {
		k := table.Content[i]
		if k.Kind == yaml.ScalarNode && k.Value == name && k.ShortTag() != "!!merge" {
			return i, true
		}
	}
	return 0, false
}

// splice replaces a part of the text.
func (d *document) splice(at span, with string) []byte {
	out := make([]byte, 0, len(d.text)+len(with))
	out = append(out, d.text[:at.start]...)
	out = append(out, with...)
	return append(out, d.text[at.end:]...)
}

// set returns the text with another value at the path. It goes down along the tables that are written at the path, and writes what is
// missing from there on.
func (d *document) set(path []string, value any) ([]byte, error) {
	if d.root == nil {
		return d.begin(path, value)
	}
	table := d.root
	if table.Kind != yaml.MappingNode {
		return nil, errLayout
	}
	var parent *entryAt
	for depth, name := range path {
		at, found := own(table, name)
		if !found {
			return d.insert(table, parent, name, d.rest(path, depth, value))
		}
		e := &entryAt{table: table, index: at, parent: parent}
		next := e.value()
		switch {
		case depth == len(path)-1 || next.Kind == yaml.AliasNode:
			return d.replace(e, d.rest(path, depth, value))
		case isNull(next):
			return d.fill(e, d.rest(path, depth, value))
		case next.Kind != yaml.MappingNode:
			return nil, fmt.Errorf("%s is not a table", quoteName(name))
		}
		table, parent = next, e
	}
	return nil, errLayout
}

// rest is the value of the key path[depth], after value is set below it: what the key has by aliases and merges stays.
func (d *document) rest(path []string, depth int, value any) any {
	before := valueAt(d.meaning, path[:depth+1])
	if before == nil || depth == len(path)-1 {
		for _, name := range backwards(path[depth+1:]) {
			value = Table{{name, value}}
		}
		return value
	}
	return asValue(withValue(before, path[depth+1:], meaningOf(value)))
}

func backwards(names []string) []string {
	out := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		out = append(out, names[i])
	}
	return out
}

// begin writes the first key of a text that says nothing.
func (d *document) begin(path []string, value any) ([]byte, error) {
	for _, name := range backwards(path) {
		value = Table{{name, value}}
	}
	if d.json {
		return []byte(flow(value, true, d.newline, "  ") + d.newline), nil
	}
	return d.insertLines(len(d.text), block(value.(Table), "", "  ", d.newline), false)
}

// remove returns the text without the key at the path.
func (d *document) remove(path []string) ([]byte, error) {
	table := d.root
	var parent *entryAt
	for depth, name := range path {
		if table == nil || table.Kind != yaml.MappingNode {
			return nil, errLayout
		}
		at, found := own(table, name)
		if !found {
			return nil, errLayout
		}
		e := &entryAt{table: table, index: at, parent: parent}
		if depth == len(path)-1 {
			if d.json || table.Style&yaml.FlowStyle != 0 {
				return d.removeFlow(e)
			}
			return d.removeBlock(e)
		}
		table, parent = e.value(), e
	}
	return nil, errLayout
}

// entryAt is an entry of a table, by the place of its key in the table's content.
type entryAt struct {
	table  *yaml.Node
	index  int
	parent *entryAt // in which the table stands; nil for the root
}

func (e *entryAt) key() *yaml.Node   { return e.table.Content[e.index] }
func (e *entryAt) value() *yaml.Node { return e.table.Content[e.index+1] }
func (e *entryAt) last() bool        { return e.index+2 == len(e.table.Content) }

// insert adds an entry to a table.
func (d *document) insert(table *yaml.Node, parent *entryAt, name string, value any) ([]byte, error) {
	inFlow := d.json || table.Style&yaml.FlowStyle != 0
	switch {
	case inFlow && len(table.Content) == 0 && d.opensBlock(table, parent):
		return d.spread(table, parent, Table{{name, value}})
	case inFlow:
		return d.insertFlow(table, Entry{name, value})
	}
	return d.insertBlock(table, Entry{name, value})
}

// replace gives an entry another value. The value is written on one line.
func (d *document) replace(e *entryAt, value any) ([]byte, error) {
	n := e.value()
	if isNull(n) && n.Value == "" && !d.json {
		return d.fillNothing(e, value)
	}
	at, err := d.span(n)
	if err != nil {
		return nil, err
	}
	inFlow := d.json || e.table.Style&yaml.FlowStyle != 0
	return d.splice(at, inline(value, "", "", d.json, inFlow)), nil
}

// fill gives an entry that is null a table.
func (d *document) fill(e *entryAt, value any) ([]byte, error) {
	n := e.value()
	if d.json || n.Value != "" || e.table.Style&yaml.FlowStyle != 0 {
		return d.replace(e, value)
	}
	table, isTable := value.(Table)
	if !isTable {
		return nil, errLayout
	}
	return d.insertBelow(e, table)
}

// fillNothing gives an entry a value whose key has none, not even null.
func (d *document) fillNothing(e *entryAt, value any) ([]byte, error) {
	key, err := d.span(e.key())
	if err != nil {
		return nil, err
	}
	colon := bytes.IndexByte(d.text[key.end:], ':')
	if colon < 0 || len(bytes.TrimSpace(d.text[key.end:key.end+colon])) > 0 {
		return nil, errLayout
	}
	at := key.end + colon + 1
	return d.splice(span{at, at}, " "+inline(value, "", "", false, e.table.Style&yaml.FlowStyle != 0)), nil
}
