package config

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file edits tables of YAML that are written as blocks, one key on a line.

// insertBlock adds an entry behind the last one of a table.
func (d *document) insertBlock(table *yaml.Node, e Entry) ([]byte, error) {
	if len(table.Content) < 2 {
		return nil, errLayout
	}
	last := &entryAt{table: table, index: len(table.Content) - 2}
	first := &entryAt{table: table}
	indent, err := d.indent(first)
	if err != nil {
		return nil, err
	}
	end, err := d.end(last)
	if err != nil {
		return nil, err
	}
	begin, err := d.begins(last)
	if err != nil {
		return nil, err
	}
	apart := table == d.root || len(table.Content) > 2 && begin > 0 && d.blankBefore(begin)
	return d.insertLines(end, block(Table{e}, indent, d.step(), d.newline), apart)
}

// insertBelow gives an entry without a value a table.
func (d *document) insertBelow(e *entryAt, table Table) ([]byte, error) {
	indent, err := d.indent(e)
	if err != nil {
		return nil, err
	}
	end, err := d.end(e)
	if err != nil {
		return nil, err
	}
	return d.insertLines(end, block(table, indent+d.step(), d.step(), d.newline), false)
}

// insertLines puts whole lines at an offset, which is the beginning of a line or the end of the text. apart wants a blank line before
// them.
func (d *document) insertLines(at int, lines string, apart bool) ([]byte, error) {
	if at > 0 && at == len(d.text) && d.text[at-1] != '\n' && d.text[at-1] != '\r' {
		lines = d.newline + lines
	}
	if apart && at > 0 && !(d.blankBefore(at) && d.text[at-1] == '\n') {
		if rest, cut := strings.CutPrefix(lines, d.newline); cut {
			lines = d.newline + d.newline + rest
		} else {
			lines = d.newline + lines
		}
	}
	return d.splice(span{at, at}, lines), nil
}

// opensBlock says whether {} stands alone behind a key of a block, so that lines below the key can take its place.
func (d *document) opensBlock(table *yaml.Node, parent *entryAt) bool {
	return !d.json && parent != nil && parent.table.Style&yaml.FlowStyle == 0 && table.Anchor == "" && table.Style&yaml.TaggedStyle == 0
}

// spread puts lines in place of {}.
func (d *document) spread(braces *yaml.Node, parent *entryAt, table Table) ([]byte, error) {
	at, err := d.span(braces)
	if err != nil {
		return nil, err
	}
	indent, err := d.indent(parent)
	if err != nil {
		return nil, err
	}
	end, err := d.end(parent)
	if err != nil {
		return nil, err
	}
	lines := block(table, indent+d.step(), d.step(), d.newline)
	after, err := d.insertLines(end, lines, false)
	if err != nil {
		return nil, err
	}
	for at.start > 0 && d.text[at.start-1] == ' ' {
		at.start--
	}
	d.text = after
	return d.splice(at, ""), nil
}

// removeBlock takes out the lines of an entry, with the comment right above it and what is indented below it.
func (d *document) removeBlock(e *entryAt) ([]byte, error) {
	start, err := d.begins(e)
	if err != nil {
		return nil, err
	}
	end, err := d.end(e)
	if err != nil {
		return nil, err
	}
	if end == len(d.text) || d.isBlank(end) {
		for d.blankBefore(start) {
			start = d.lineBefore(start)
		}
	}
	return d.splice(span{start, end}, ""), nil
}

// indent is what stands before the key of an entry. Only spaces may.
func (d *document) indent(e *entryAt) (string, error) {
	at, err := d.offset(e.key())
	if err != nil {
		return "", err
	}
	indent := string(d.text[d.starts[e.key().Line-1]:at])
	if strings.Trim(indent, " ") != "" {
		return "", errLayout
	}
	return indent, nil
}

// begins is the start of the lines of an entry, the comment right above included.
func (d *document) begins(e *entryAt) (int, error) {
	indent, err := d.indent(e)
	if err != nil {
		return 0, err
	}
	start := d.starts[e.key().Line-1]
	for start > d.starts[0] {
		above := d.lineBefore(start)
		if !bytes.HasPrefix(d.text[above:], []byte(indent+"#")) {
			break
		}
		start = above
	}
	return start, nil
}

// end is the end of the lines of an entry. Comments below it that are indented more than its key belong to it.
func (d *document) end(e *entryAt) (int, error) {
	indent, err := d.indent(e)
	if err != nil {
		return 0, err
	}
	content, err := d.contentEnd(e.key(), e.value(), len(indent))
	if err != nil {
		return 0, err
	}
	end := d.lineAfter(content)
	for at := end; at < len(d.text); {
		next := d.lineAfter(at)
		line := string(d.text[at:next])
		text := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(text, "#") && len(line)-len(text) > len(indent):
			end = next
		case strings.TrimSpace(line) != "":
			return end, nil
		}
		at = next
	}
	return end, nil
}

// contentEnd is an offset in the last line of an entry, comments below it not counted.
func (d *document) contentEnd(key, value *yaml.Node, indent int) (int, error) {
	switch {
	case value.Kind == yaml.ScalarNode && value.Value == "" && value.Style == 0:
		at, err := d.span(key)
		return max(at.end-1, at.start), err
	case value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.literalEnd(value, indent)
	case value.Kind == yaml.ScalarNode || value.Kind == yaml.AliasNode || value.Style&yaml.FlowStyle != 0:
		at, err := d.span(value)
		return max(at.end-1, at.start), err
	case value.Kind == yaml.MappingNode && len(value.Content) >= 2:
		inner := value.Content[len(value.Content)-2]
		return d.contentEnd(inner, value.Content[len(value.Content)-1], inner.Column-1)
	case value.Kind == yaml.SequenceNode && len(value.Content) > 0:
		item := value.Content[len(value.Content)-1]
		return d.contentEnd(item, item, value.Column-1)
	}
	return 0, errLayout
}

// literalEnd is an offset in the last line of a text behind | or >, whose lines are indented more than indent.
func (d *document) literalEnd(n *yaml.Node, indent int) (int, error) {
	at, err := d.offset(n)
	if err != nil {
		return 0, err
	}
	for next := d.lineAfter(at); next < len(d.text); next = d.lineAfter(next) {
		line := string(d.text[next:d.lineAfter(next)])
		if blank := strings.TrimSpace(line) == ""; !blank && len(line)-len(strings.TrimLeft(line, " ")) <= indent {
			break
		} else if !blank {
			at = next
		}
	}
	return at, nil
}

// step is by how much the file indents: as much as at the first place where it does.
func (d *document) step() string {
	const usual = "  "
	if d.root == nil || d.root.Kind != yaml.MappingNode || d.root.Style&yaml.FlowStyle != 0 {
		return usual
	}
	for i := 1; i < len(d.root.Content); i += 2 {
		inner := d.root.Content[i]
		if inner.Kind == yaml.MappingNode && inner.Style&yaml.FlowStyle == 0 && len(inner.Content) > 0 {
			if n := inner.Content[0].Column - d.root.Content[i-1].Column; n > 0 && n <= 8 {
				return strings.Repeat(" ", n)
			}
		}
	}
	return usual
}

// lineAfter is the beginning of the line behind the one in which at is.
func (d *document) lineAfter(at int) int {
	for _, start := range d.starts[lineOf(d.starts, at)+1:] {
		return start
	}
	return len(d.text)
}

// lineBefore is the beginning of the line before the one that begins at start.
func (d *document) lineBefore(start int) int {
	if start <= d.starts[0] {
		return start
	}
	return d.starts[lineOf(d.starts, start-1)]
}

// blankBefore says whether the line before the one that begins at start is there and blank.
func (d *document) blankBefore(start int) bool {
	before := d.lineBefore(start)
	return before < start && strings.TrimSpace(string(d.text[before:start])) == ""
}

// isBlank says whether the line that begins at start is blank.
func (d *document) isBlank(start int) bool {
	return strings.TrimSpace(string(d.text[start:d.lineAfter(start)])) == ""
}

// lineOf is the number of the line, from 0, in which at is.
func lineOf(starts []int, at int) int {
	low, high := 0, len(starts)
	for low+1 < high {
		if middle := (low + high) / 2; starts[middle] <= at {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
