package config

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

const (
	// maxDepth is more than twice what the deepest key needs.
	maxDepth = 32
	// maxMerged bounds the keys that YAML's merges may copy in one file.
	maxMerged = 10000
)

// resolveAliases returns root with aliases replaced by what they stand for and merges by the keys they bring. It refuses keys
// that are there twice, cycles, and depth. An alias becomes the very node of its anchor, so a file of aliases of aliases
// stays as small as it was written.
func resolveAliases(root *yaml.Node) (*yaml.Node, error) {
	r := &resolver{done: make(map[*yaml.Node]bool)}
	return r.resolve(root, 0)
}

type resolver struct {
	done   map[*yaml.Node]bool // false while a node is being resolved, which is how a cycle shows
	merged int
}

func (r *resolver) resolve(n *yaml.Node, depth int) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if done, found := r.done[n]; found {
		if !done {
			return nil, atLine(n, fmt.Errorf("the anchor %q contains itself", n.Anchor))
		}
		return n, nil
	}
	if depth > maxDepth {
		return nil, atLine(n, errors.New("nested too deeply"))
	}
	r.done[n] = false
	resolveContent := r.items
	if n.Kind == yaml.MappingNode {
		resolveContent = r.mapping
	}
	err := resolveContent(n, depth)
	r.done[n] = true
	return n, err
}

func atLine(n *yaml.Node, err error) error {
	if n.Line == 0 {
		return err
	}
	return fmt.Errorf("line %d: %w", n.Line, err)
}

func (r *resolver) items(n *yaml.Node, depth int) (err error) {
	for i, item := range n.Content {
		if n.Content[i], err = r.resolve(item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// mapping leaves n with its own entries and behind them those of its merges that it does not have.
func (r *resolver) mapping(n *yaml.Node, depth int) error {
	have := make(map[string]bool)
	var own, merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		value, err := r.resolve(n.Content[i+1], depth+1)
		switch {
		case err != nil:
			return err
		case k.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		case k.Kind != yaml.ScalarNode:
			return atLine(k, errors.New("a key must be plain text"))
		case have[k.Value]:
			return atLine(k, fmt.Errorf("%s is there twice", quoteName(k.Value)))
		}
		have[k.Value] = true
		own = append(own, k, value)
	}
	n.Content = own
	for _, m := range merges {
		if err := r.merge(n, have, m); err != nil {
			return atLine(n, err)
		}
	}
	return nil
}

func (r *resolver) merge(n *yaml.Node, have map[string]bool, from *yaml.Node) error {
	tables := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		tables = from.Content
	}
	for _, table := range tables {
		if table.Kind != yaml.MappingNode {
			return errors.New("<< must name tables")
		}
		if r.merged += len(table.Content) / 2; r.merged > maxMerged {
			return errors.New("too many merged keys")
		}
		for i := 0; i < len(table.Content); i += 2 {
			if k := table.Content[i]; !have[k.Value] {
				have[k.Value] = true
				n.Content = append(n.Content, k, table.Content[i+1])
			}
		}
	}
	return nil
}
