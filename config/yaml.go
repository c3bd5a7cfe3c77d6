package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxMerged bounds the keys that YAML's merges may copy in one file.
const maxMerged = 10000

func parseYAML(data []byte) (*node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return &node{kind: tableNode}, nil
	} else if err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one YAML document")
	}
	y := yamlReader{seen: make(map[*yaml.Node]*node)}
	return y.node(&doc, 0)
}

// yamlReader converts YAML's nodes. An alias becomes the very node of its anchor, so a file of aliases of aliases
// stays as small as it was written.
type yamlReader struct {
	seen   map[*yaml.Node]*node // nil while a node is being converted, which is how a cycle shows
	merged int
}

func (y *yamlReader) node(n *yaml.Node, depth int) (*node, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if done, found := y.seen[n]; found {
		if done == nil {
			return nil, fmt.Errorf("line %d: the anchor %q contains itself", n.Line, n.Anchor)
		}
		return done, nil
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested too deeply", n.Line)
	}
	y.seen[n] = nil
	out, err := y.convert(n, depth)
	y.seen[n] = out
	return out, err
}

func (y *yamlReader) convert(n *yaml.Node, depth int) (*node, error) {
	out := &node{line: n.Line}
	switch n.Kind {
	case yaml.DocumentNode:
		return y.node(n.Content[0], depth)
	case yaml.SequenceNode:
		out.kind = listNode
		for _, c := range n.Content {
			item, err := y.node(c, depth+1)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, item)
		}
		return out, nil
	case yaml.MappingNode:
		out.kind = tableNode
		return out, y.mapping(out, n, depth)
	default:
		if n.ShortTag() != "!!null" {
			out.kind, out.scalar = scalarNode, n.Value
		}
		return out, nil
	}
}

// mapping fills out with n's own entries and then with those of its merges that it does not have.
func (y *yamlReader) mapping(out *node, n *yaml.Node, depth int) error {
	have := make(map[string]bool)
	var merges []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		value, err := y.node(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		switch {
		case k.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case k.Kind != yaml.ScalarNode:
			return fmt.Errorf("line %d: a key must be plain text", k.Line)
		case have[k.Value]:
			return fmt.Errorf("line %d: %s is there twice", k.Line, quoteName(k.Value))
		}
		have[k.Value] = true
		out.table = append(out.table, entry{k.Value, value})
	}
	for _, m := range merges {
		if err := y.merge(out, have, m, n.Line); err != nil {
			return err
		}
	}
	return nil
}

func (y *yamlReader) merge(out *node, have map[string]bool, from *node, line int) error {
	if from.kind == listNode {
		for _, one := range from.list {
			if one.kind == listNode {
				return fmt.Errorf("line %d: << must name tables", line)
			}
			if err := y.merge(out, have, one, line); err != nil {
				return err
			}
		}
		return nil
	}
	if from.kind != tableNode {
		return fmt.Errorf("line %d: << must name tables", line)
	}
	if y.merged += len(from.table); y.merged > maxMerged {
		return fmt.Errorf("line %d: too many merged keys", line)
	}
	for _, e := range from.table {
		if !have[e.key] {
			have[e.key] = true
			out.table = append(out.table, e)
		}
	}
	return nil
}
