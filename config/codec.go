package config

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// codec reads one file for viper. viper folds the case of every key, so the codec gives it none but those of Config: a table
// whose keys are names that the user chose becomes a list, in which the name of an entry is a value. What is wrong goes to
// the report, with its line, and leaves its key unset, so that viper is given only what fits the fields of Config.
type codec struct {
	*report
	parse func(data []byte) (*yaml.Node, error)   // of the format of the file
	file  string                                  // base name of the file, for places
	env   func(name string) (value, wrong string) // what ${NAME} stands for
}

// The keys of an entry in a list of names.
const (
	entryName  = "name"
	entryValue = "value"
)

// Decoder makes c a viper.DecoderRegistry, of itself.
func (c *codec) Decoder(string) (viper.Decoder, error) { return c, nil }

// Decode puts into settings what data says. Its error is about the file as a whole.
func (c *codec) Decode(data []byte, settings map[string]any) error {
	if len(data) > maxFileBytes {
		return fmt.Errorf("is larger than %v", Size(maxFileBytes))
	}
	root, err := c.parse(data)
	if err == nil {
		root, err = resolveAliases(root)
	}
	if err != nil {
		return err
	}
	all, _ := c.value("", root, reflect.TypeFor[Config]()).(map[string]any)
	maps.Copy(settings, all)
	return nil
}

// value returns what n says as a value for a field of type t, or nil if it says nothing that fits. A table is a
// map[string]any, a list of tables or names a []any of such maps, and everything else has the type of the field.
func (c *codec) value(key string, n *yaml.Node, t reflect.Type) any {
	c.origin[key] = c.at(n)
	if isNull(n) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v := c.value(key, n, t.Elem()); v != nil {
			return v
		}
		return reflect.Zero(t.Elem()).Interface() // it is set, though to nothing that fits
	case reflect.Struct:
		return c.table(key, n, t)
	case reflect.Map:
		return c.names(key, n, t.Elem())
	case reflect.Slice:
		return c.list(key, n, t)
	default:
		return c.scalar(key, n, t)
	}
}

func (c *codec) at(n *yaml.Node) string {
	if n.Line == 0 {
		return c.file
	}
	return c.file + ":" + strconv.Itoa(n.Line)
}

func (c *codec) want(key string, n *yaml.Node, kind yaml.Kind) bool {
	if n.Kind != kind {
		c.add(key, "must be %s, not %s", kindName(kind), kindName(n.Kind))
		return false
	}
	return true
}

func (c *codec) table(key string, n *yaml.Node, t reflect.Type) any {
	if !c.want(key, n, yaml.MappingNode) {
		return nil
	}
	fields := make(map[string]reflect.Type)
	var known []string
	for i := range t.NumField() {
		if name, ok := t.Field(i).Tag.Lookup("key"); ok {
			fields[name] = t.Field(i).Type
			known = append(known, name)
		}
	}
	out := make(map[string]any)
	for name, value := range entries(n) {
		path := join(key, name)
		if field, found := fields[name]; found {
			out[name] = c.value(path, value, field)
			continue
		}
		c.origin[path] = c.at(value)
		c.add(path, "is not a known key; the nearest is %s", suggest(key, name, known))
	}
	return out
}

// names turns a table whose keys are names that the user chose into a list.
func (c *codec) names(key string, n *yaml.Node, t reflect.Type) any {
	if !c.want(key, n, yaml.MappingNode) {
		return nil
	}
	out := make([]any, 0, len(n.Content)/2)
	for name, value := range entries(n) {
		v := c.value(join(key, name), value, t)
		if v == nil && t.Kind() == reflect.Struct {
			v = make(map[string]any) // nothing but defaults
		}
		out = append(out, map[string]any{entryName: name, entryValue: v})
	}
	return out
}

// list reads a list. One text may stand for a list of one text.
func (c *codec) list(key string, n *yaml.Node, t reflect.Type) any {
	items := n.Content
	if n.Kind == yaml.ScalarNode && t.Elem().Kind() == reflect.String {
		items = []*yaml.Node{n}
	} else if !c.want(key, n, yaml.SequenceNode) {
		return nil
	}
	out := make([]any, len(items))
	for i, item := range items {
		path := fmt.Sprintf("%s[%d]", key, i)
		out[i] = c.value(path, item, t.Elem())
		if isNull(item) {
			c.add(path, "must not be empty")
		}
	}
	return out
}

func (c *codec) scalar(key string, n *yaml.Node, t reflect.Type) any {
	if !c.want(key, n, yaml.ScalarNode) {
		return nil
	}
	x := expander{env: c.env}
	if t == reflect.TypeFor[ConnectionString]() {
		x.encode = encodeUserinfo(n.Value)
	}
	text, wrong := x.expand(n.Value)
	for _, w := range wrong {
		c.add(key, "%s", w)
	}
	if len(wrong) > 0 {
		return nil
	}
	v := reflect.New(t).Elem()
	if err := setScalar(v, text); err != nil {
		// What the file says is quoted, not what it expands to: that may be a secret in a wrong place.
		c.add(key, "%v, got %q", err, n.Value)
		return nil
	}
	return v.Interface()
}
