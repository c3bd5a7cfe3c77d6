package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// A table is an answer of the console. A nil value is NULL.
type table struct {
	columns []string
	numeric []bool
	rows    [][][]byte
}

// widest is how much of a text is shown in a table for people.
const widest = 100

// print writes the table for people.
func (t *table) print(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(t.columns, "\t"))
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = shorten(string(v))
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	return out.Flush()
}

// shorten keeps a cell on one line of a bearable length, without anything that a terminal would obey: texts of statements, and names of users,
// are whatever somebody has sent.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) <= widest {
		return s
	}
	return string([]rune(s)[:widest-1]) + "…"
}

// objects returns the rows for JSON.
func (t *table) objects() []map[string]any {
	list := make([]map[string]any, 0, len(t.rows))
	for _, row := range t.rows {
		o := make(map[string]any, len(row))
		for i, v := range row {
			switch {
			case v == nil:
				o[t.columns[i]] = nil
			case t.numeric[i]:
				o[t.columns[i]] = json.Number(v)
			default:
				o[t.columns[i]] = string(v)
			}
		}
		list = append(list, o)
	}
	return list
}

// writeJSON writes one value on one line.
func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}
