package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Keys returns the path of every key, in the order of the structs: "cache.memory", "databases.<name>.pool.size",
// "databases.<name>.cache.rules[].max_age".
func Keys() []string {
	var keys []string
	walkKeys("", reflect.TypeFor[Config](), func(key string, _ reflect.Type) { keys = append(keys, key) })
	return keys
}

func walkKeys(path string, t reflect.Type, leaf func(key string, t reflect.Type)) {
	switch {
	case t.Kind() == reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if name, ok := f.Tag.Lookup("key"); ok {
				walkKeys(join(path, name), f.Type, leaf)
			}
		}
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		walkKeys(path+".<name>", t.Elem(), leaf)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		walkKeys(path+"[]", t.Elem(), leaf)
	default:
		leaf(path, t)
	}
}

// setting is a key that a flag or an environment variable can set: its path is fixed and its value is one text or a
// list of texts.
type setting struct {
	key   string
	list  bool
	index []int // of the field, from Config down
}

func (s setting) field(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(s.index)
}

func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

func (s setting) env() string {
	return "OVERDRIVE_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

var settings = collectSettings("", reflect.TypeFor[Config](), nil)

func collectSettings(path string, t reflect.Type, index []int) []setting {
	var out []setting
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("key")
		if !ok || f.Type.Kind() == reflect.Map {
			continue
		}
		at := append(slices.Clone(index), i)
		if f.Type.Kind() == reflect.Struct {
			out = append(out, collectSettings(join(path, name), f.Type, at)...)
			continue
		}
		out = append(out, setting{key: join(path, name), list: f.Type.Kind() == reflect.Slice, index: at})
	}
	return out
}

// join appends a name to a path. A name that is not plain is quoted, so that paths stay unambiguous.
func join(path, name string) string {
	if path == "" {
		return quoteName(name)
	}
	return path + "." + quoteName(name)
}

func quoteName(name string) string {
	for _, c := range name {
		plain := c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !plain {
			return strconv.Quote(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}
