package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"
)

func parseTOML(data []byte) (*node, error) {
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		return nil, err
	}
	return tomlNode(doc, 0)
}

func tomlNode(v any, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	switch v := v.(type) {
	case map[string]any:
		out := &node{kind: tableNode}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			value, err := tomlNode(v[k], depth+1)
			if err != nil {
				return nil, err
			}
			out.table = append(out.table, entry{k, value})
		}
		return out, nil
	case []any:
		out := &node{kind: listNode}
		for _, item := range v {
			value, err := tomlNode(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, value)
		}
		return out, nil
	case float64:
		return &node{kind: scalarNode, scalar: strconv.FormatFloat(v, 'g', -1, 64)}, nil
	default:
		return &node{kind: scalarNode, scalar: fmt.Sprint(v)}, nil
	}
}
