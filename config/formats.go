package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// parsers says how a file is read, by its extension. Every format becomes a tree of YAML's nodes. Scalars keep the text
// they were written with, so that what reads them decides what they mean. A node's line is 0 when the format does not tell.
var parsers = map[string]func([]byte) (*yaml.Node, error){
	"yaml": parseYAML, "yml": parseYAML, "toml": parseTOML, "json": parseJSON,
}

// maxFileBytes is far above any sensible configuration and bounds what a wrong --config (a device, a dump) costs.
const maxFileBytes = 4 << 20

func parseYAML(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	return doc.Content[0], nil
}

func parseTOML(data []byte) (*yaml.Node, error) {
	var doc map[string]any
	if err := toml.Unmarshal(data, &doc); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ := at.Position()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		return nil, err
	}
	return tomlNode(doc), nil
}

func tomlNode(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out.Content = append(out.Content, textNode(key), tomlNode(v[key]))
		}
		return out
	case []any:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			out.Content = append(out.Content, tomlNode(item))
		}
		return out
	default:
		return textNode(fmt.Sprint(v))
	}
}

func textNode(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a table"
	default:
		return "a single value"
	}
}

// entries are the keys and values of a table, in the order of the file.
func entries(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}
