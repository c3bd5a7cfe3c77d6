package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file writes values: as blocks, one key on a line, or in flow style, which is that of JSON too.

// block writes a table as lines that begin with indent.
func block(t Table, indent, step, newline string) string {
	var b strings.Builder
	for _, e := range t {
		b.WriteString(indent + scalar(e.Key, false, false) + ":")
		if table, isTable := e.Value.(Table); isTable && len(table) > 0 {
			b.WriteString(newline + block(table, indent+step, step, newline))
			continue
		}
		b.WriteString(" " + inline(e.Value, "", "", false, false) + newline)
	}
	return b.String()
}

// flow writes a value in flow style: on one line if newline is empty, else each key of a table on a line of its own. newline ends with the
// indent of the line on which the value begins.
func flow(value any, isJSON bool, newline, step string) string {
	return inline(value, newline, step, isJSON, true)
}

func inline(value any, newline, step string, isJSON, within bool) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case Table:
		parts := make([]string, len(v))
		for i, e := range v {
			inner := newline
			if newline != "" {
				inner += step
			}
			parts[i] = scalar(e.Key, isJSON, true) + ": " + inline(e.Value, inner, step, isJSON, true)
		}
		return enclose("{", parts, "}", newline, step)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = inline(item, "", "", isJSON, true)
		}
		return enclose("[", parts, "]", "", "")
	case string:
		return scalar(v, isJSON, within)
	case written:
		if plainInFlow.MatchString(string(v)) && !isNull(textOf(string(v))) {
			return string(v)
		}
		return scalar(string(v), isJSON, within)
	}
	return fmt.Sprint(value)
}

func enclose(opening string, parts []string, closing, newline, step string) string {
	if newline == "" || len(parts) == 0 {
		return opening + strings.Join(parts, ", ") + closing
	}
	return opening + newline + step + strings.Join(parts, ","+newline+step) + newline + closing
}

var (
	// plainText needs no quotes outside of a flow collection: no colon at a word's end, no comment, no indicator in front.
	plainText = regexp.MustCompile(`^[A-Za-z0-9_./$\\](:?[A-Za-z0-9_./$\\+%@&=?!~*;^(){}\[\]<>|,-])*$`)
	// plainInFlow has none of the signs of flow collections either.
	plainInFlow = regexp.MustCompile(`^[A-Za-z0-9_./$\\](:?[A-Za-z0-9_./$\\+%@&=!~*;^()<>|-])*$`)
)

// scalar writes a text, in quotes where it would be read as something else without.
func scalar(text string, isJSON, inFlow bool) string {
	if isJSON {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(text) // a text can always be written
		return strings.TrimSuffix(b.String(), "\n")
	}
	plain := plainText
	if inFlow {
		plain = plainInFlow
	}
	if plain.MatchString(text) && textOf(text).ShortTag() == "!!str" {
		return text
	}
	return strconv.Quote(text) // whose escapes are among YAML's
}

// textOf is a node that says what YAML makes of a text without quotes.
func textOf(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
