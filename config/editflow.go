package config

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// This file edits tables in flow style, {a: 1, b: 2}, which JSON has only; and finds where values end.

// insertFlow adds an entry behind the last one of a table: on a line of its own if the last one has one.
func (d *document) insertFlow(table *yaml.Node, e Entry) ([]byte, error) {
	whole, err := d.span(table)
	if err != nil {
		return nil, err
	}
	key := scalar(e.Key, d.json, true)
	if len(table.Content) == 0 {
		newline := ""
		if d.json {
			newline = d.newline + d.indentAt(whole.start)
		}
		return d.splice(whole, flow(Table{e}, d.json, newline, "  ")), nil
	}
	last := &entryAt{table: table, index: len(table.Content) - 2}
	at, err := d.entrySpan(last)
	if err != nil {
		return nil, err
	}
	end, separator := at.end, ","
	if comma := d.skip(at.end); comma < whole.end && d.text[comma] == ',' {
		end, separator = comma+1, ""
	}
	if !d.leads(at.start) {
		return d.splice(span{end, end}, separator+" "+key+": "+flow(e.Value, d.json, "", "")), nil
	}
	newline := d.newline + d.indentAt(at.start)
	text := newline + key + ": " + flow(e.Value, d.json, newline, d.stepAt(whole.start, at.start))
	if separator == "" {
		text += ","
	}
	behind := end
	if d.endsLine(end) { // a comment behind the last entry stays there
		behind = end + len(bytes.TrimRight(d.text[end:d.lineEnd(end)], "\r\n"))
	}
	return d.splice(span{end, behind}, separator+string(d.text[end:behind])+text), nil
}

// removeFlow takes an entry out, and one comma.
func (d *document) removeFlow(e *entryAt) ([]byte, error) {
	at, err := d.entrySpan(e)
	if err != nil {
		return nil, err
	}
	if next := d.skip(at.end); next < len(d.text) && d.text[next] == ',' {
		at.end = next + 1
		if d.leads(at.start) && d.endsLine(at.end) { // its whole line
			at.start = d.lineStart(at.start)
			at.end = d.lineEnd(at.end)
		} else {
			for at.end < len(d.text) && d.text[at.end] == ' ' {
				at.end++
			}
		}
		return d.splice(at, ""), nil
	}
	if e.index == 0 {
		return d.splice(at, ""), nil
	}
	before, err := d.entrySpan(&entryAt{table: e.table, index: e.index - 2})
	if err != nil {
		return nil, err
	}
	comma := d.skip(before.end)
	if comma >= at.start || d.text[comma] != ',' {
		return nil, errLayout
	}
	if !d.leads(at.start) {
		return d.splice(span{before.end, at.end}, ""), nil
	}
	if d.endsLine(at.end) {
		at.start, at.end = d.lineStart(at.start), d.lineEnd(at.end)
	}
	d.text = d.splice(at, "")
	return d.splice(span{comma, comma + 1}, ""), nil
}

// entrySpan is the part of the text from the key of an entry to the end of its value.
func (d *document) entrySpan(e *entryAt) (span, error) {
	key, err := d.span(e.key())
	if err != nil {
		return span{}, err
	}
	value, err := d.span(e.value())
	if err != nil {
		return span{}, err
	}
	return span{key.start, max(key.end, value.end)}, nil
}

// span is the part of the text that a key or a value takes: a scalar, an alias, or a collection in flow style. An anchor or tag in front
// is not part of it.
func (d *document) span(n *yaml.Node) (span, error) {
	if d.json {
		return d.spans[n], nil
	}
	start, err := d.offset(n)
	if err != nil {
		return span{}, err
	}
	decorated := func() bool {
		return start < len(d.text) && (d.text[start] == '&' && n.Anchor != "" || d.text[start] == '!' && n.Style&yaml.TaggedStyle != 0)
	}
	for n.Kind != yaml.AliasNode && decorated() {
		for start < len(d.text) && !unicode.IsSpace(rune(d.text[start])) {
			start++
		}
		start = d.skip(start)
	}
	end, err := d.spanEnd(n, start)
	if err != nil || end > len(d.text) {
		return span{}, errLayout
	}
	return span{start, end}, nil
}

func (d *document) spanEnd(n *yaml.Node, start int) (int, error) {
	rest := d.text[start:]
	switch {
	case n.Kind == yaml.AliasNode:
		return start + len("*"+n.Value), nil
	case n.Kind == yaml.ScalarNode && n.Style&yaml.DoubleQuotedStyle != 0:
		return d.quoteEnd(start, '"', '\\')
	case n.Kind == yaml.ScalarNode && n.Style&yaml.SingleQuotedStyle != 0:
		return d.quoteEnd(start, '\'', '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, errLayout
	case n.Kind == yaml.ScalarNode && bytes.HasPrefix(rest, []byte(n.Value)):
		return start + len(n.Value), nil
	case n.Kind == yaml.ScalarNode:
		return d.foldedEnd(n.Value, start)
	case n.Style&yaml.FlowStyle == 0 || len(rest) == 0 || rest[0] != '{' && rest[0] != '[':
		return 0, errLayout
	}
	end := start + 1
	if len(n.Content) > 0 {
		last, err := d.span(n.Content[len(n.Content)-1])
		if err != nil {
			return 0, err
		}
		end = max(end, last.end)
	}
	for end = d.skip(end); end < len(d.text) && (d.text[end] == ',' || d.text[end] == ':'); {
		end = d.skip(end + 1)
	}
	if end >= len(d.text) || d.text[end] != rest[0]+2 { // } is two behind {, and ] behind [
		return 0, errLayout
	}
	return end + 1, nil
}

// quoteEnd is behind the closing quote of a text. escape before a quote, or before itself, makes it a sign of the text.
func (d *document) quoteEnd(start int, quote, escape byte) (int, error) {
	if start >= len(d.text) || d.text[start] != quote {
		return 0, errLayout
	}
	for i := start + 1; i < len(d.text); i++ {
		switch {
		case d.text[i] == escape && i+1 < len(d.text) && (escape != quote || d.text[i+1] == quote):
			i++
		case d.text[i] == quote:
			return i + 1, nil
		}
	}
	return 0, errLayout
}

// foldedEnd is the end of a plain text of several lines, whose line ends became spaces or fewer line ends.
func (d *document) foldedEnd(value string, start int) (int, error) {
	at := start
	for _, word := range strings.Fields(value) {
		for at < len(d.text) {
			c, size := utf8.DecodeRune(d.text[at:])
			if !unicode.IsSpace(c) {
				break
			}
			at += size
		}
		if !bytes.HasPrefix(d.text[at:], []byte(word)) {
			return 0, errLayout
		}
		at += len(word)
	}
	return at, nil
}

// skip passes spaces, line ends and comments.
func (d *document) skip(at int) int {
	for at < len(d.text) {
		switch c := d.text[at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			at++
		case c == '#' && !d.json && at > 0 && strings.ContainsRune(" \t\r\n,{[}]", rune(d.text[at-1])):
			at = d.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

func (d *document) lineStart(at int) int { return bytes.LastIndexByte(d.text[:at], '\n') + 1 }

func (d *document) lineEnd(at int) int {
	if i := bytes.IndexByte(d.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(d.text)
}

// leads says whether at is the first sign of its line.
func (d *document) leads(at int) bool {
	return d.lineStart(at) > 0 && len(bytes.TrimLeft(d.text[d.lineStart(at):at], " \t")) == 0
}

// endsLine says whether nothing but a comment follows on the line.
func (d *document) endsLine(at int) bool {
	rest := strings.TrimSpace(string(d.text[at:d.lineEnd(at)]))
	return rest == "" || strings.HasPrefix(rest, "#") && !d.json
}

// indentAt is what the line of at begins with.
func (d *document) indentAt(at int) string {
	line := d.text[d.lineStart(at):at]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// stepAt is by how much the entries of a table are indented more than the line on which the table begins.
func (d *document) stepAt(table, entry int) string {
	if step, found := strings.CutPrefix(d.indentAt(entry), d.indentAt(table)); found && step != "" {
		return step
	}
	return "  "
}
