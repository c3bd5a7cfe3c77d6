package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// This file is what a text says without how it is laid out: a table is a map[string]any, a list a []any, a scalar its text; what is
// empty or null is nil.

// meaning of a tree without aliases. Nodes that several keys share have one meaning, so that a file of aliases of aliases stays small.
func meaning(n *yaml.Node, known map[*yaml.Node]any) any {
	if m, found := known[n]; found {
		return m
	}
	var m any
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		table := make(map[string]any)
		for name, value := range entries(n) {
			table[name] = meaning(value, known)
		}
		m = table
	case n.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			list = append(list, meaning(item, known))
		}
		m = list
	case n.Kind == yaml.ScalarNode && !isNull(n):
		m = n.Value
	}
	known[n] = m
	return m
}

// meaningOf is the meaning of a value that an edit writes.
func meaningOf(value any) any {
	switch v := value.(type) {
	case Table:
		table := make(map[string]any)
		for _, e := range v {
			table[e.Key] = meaningOf(e.Value)
		}
		if len(table) == 0 {
			return nil
		}
		return table
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = meaningOf(v[i])
		}
		return list
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	}
	return value
}

func valueAt(m any, path []string) any {
	for _, name := range path {
		table, _ := m.(map[string]any)
		m = table[name]
	}
	return m
}

// withValue is m with another value at the path. m itself stays as it is.
func withValue(m any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	table, _ := m.(map[string]any)
	if table = maps.Clone(table); table == nil {
		table = make(map[string]any)
	}
	table[path[0]] = withValue(table[path[0]], path[1:], value)
	return table
}

// withoutKey is m without the key at the path.
func withoutKey(m any, path []string) any {
	table, isTable := m.(map[string]any)
	if !isTable {
		return m
	}
	table = maps.Clone(table)
	if len(path) == 1 {
		delete(table, path[0])
	} else {
		table[path[0]] = withoutKey(table[path[0]], path[1:])
	}
	if len(table) == 0 {
		return nil
	}
	return table
}

func sameMeaning(a, b any) bool { return reflect.DeepEqual(a, b) }

// asValue makes a value to write of a meaning, with the keys in alphabetical order.
func asValue(m any) any {
	switch m := m.(type) {
	case map[string]any:
		var table Table
		for _, name := range slices.Sorted(maps.Keys(m)) {
			table = append(table, Entry{name, asValue(m[name])})
		}
		return table
	case []any:
		list := make([]any, len(m))
		for i := range m {
			list[i] = asValue(m[i])
		}
		return list
	case string:
		return written(m)
	}
	return m
}

// written is a scalar as it stands in the file, where it needs no quotes to be a number or a bool.
type written string
