package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// node is a value of a configuration file before it has a type. Exactly one of scalar, list and table is its content,
// as kind says. Scalars keep the text they were written with, so that what reads them decides what they mean.
type node struct {
	kind   nodeKind
	scalar string
	list   []*node
	table  []entry // in the file's order; keys are unique
	line   int     // 0 when the format does not tell
}

type entry struct {
	key   string
	value *node
}

type nodeKind int

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	tableNode
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a table"}[k]
}

const (
	// maxFileBytes is far above any sensible configuration and bounds what a wrong --config (a device, a dump) costs.
	maxFileBytes = 4 << 20
	// maxDepth is more than twice what the deepest key needs.
	maxDepth = 32
)

// parse reads data in the format that name's extension tells. An empty document is an empty table.
func parse(name string, data []byte) (*node, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("is larger than %v", Size(maxFileBytes))
	}
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".yaml", ".yml":
		return parseYAML(data)
	case ".toml":
		return parseTOML(data)
	case ".json":
		return parseJSON(data)
	default:
		return nil, fmt.Errorf("has the extension %q; .yaml, .toml and .json are known", ext)
	}
}
