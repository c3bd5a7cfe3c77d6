package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// decoder writes a tree of nodes over a struct that already holds the defaults.
type decoder struct {
	*report
	file string // base name, for places
	env  func(string) (string, bool)
}

// value decodes n into v. A key without a value leaves the default.
func (d *decoder) value(key string, n *node, v reflect.Value) {
	if key != "" {
		d.origin[key] = d.at(n)
	}
	if n.kind == nullNode {
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(key, n, v.Elem())
	case v.Addr().Type().Implements(textUnmarshaler):
		d.scalar(key, n, v)
	case v.Kind() == reflect.Struct:
		d.table(key, n, v)
	case v.Kind() == reflect.Map:
		d.names(key, n, v)
	case v.Kind() == reflect.Slice:
		d.list(key, n, v)
	default:
		d.scalar(key, n, v)
	}
}

func (d *decoder) at(n *node) string {
	if n.line == 0 {
		return d.file
	}
	return d.file + ":" + strconv.Itoa(n.line)
}

func (d *decoder) want(key string, n *node, kind nodeKind) bool {
	if n.kind != kind {
		d.add(key, "must be %v, not %v", kind, n.kind)
		return false
	}
	return true
}

func (d *decoder) table(key string, n *node, v reflect.Value) {
	if !d.want(key, n, tableNode) {
		return
	}
	fields := make(map[string]reflect.Value)
	var known []string
	for i := range v.NumField() {
		if name, ok := v.Type().Field(i).Tag.Lookup("key"); ok {
			fields[name] = v.Field(i)
			known = append(known, name)
		}
	}
	for _, e := range n.table {
		path := join(key, e.key)
		if field, found := fields[e.key]; found {
			d.value(path, e.value, field)
			continue
		}
		d.origin[path] = d.at(e.value)
		d.add(path, "is not a known key; the nearest is %s", suggest(key, e.key, known))
	}
}

// names decodes a table whose keys are names that the user chose.
func (d *decoder) names(key string, n *node, v reflect.Value) {
	if !d.want(key, n, tableNode) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.table)))
	for _, e := range n.table {
		elem := reflect.New(v.Type().Elem()).Elem()
		if elem.Type() == reflect.TypeFor[Database]() {
			elem.Set(reflect.ValueOf(DefaultDatabase()))
		}
		d.value(join(key, e.key), e.value, elem)
		v.SetMapIndex(reflect.ValueOf(e.key), elem)
	}
}

// list decodes a list. One text may stand for a list of one text.
func (d *decoder) list(key string, n *node, v reflect.Value) {
	items := n.list
	if n.kind == scalarNode && v.Type().Elem().Kind() == reflect.String {
		items = []*node{n}
	} else if !d.want(key, n, listNode) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		path := fmt.Sprintf("%s[%d]", key, i)
		if item.kind == nullNode {
			d.origin[path] = d.at(item)
			d.add(path, "must not be empty")
			continue
		}
		d.value(path, item, v.Index(i))
	}
}

func (d *decoder) scalar(key string, n *node, v reflect.Value) {
	if !d.want(key, n, scalarNode) {
		return
	}
	x := expander{env: d.env}
	if v.Type() == reflect.TypeFor[ConnectionString]() {
		x.encode = encodeUserinfo(n.scalar)
	}
	text, wrong := x.expand(n.scalar)
	for _, w := range wrong {
		d.add(key, "%s", w)
	}
	if len(wrong) > 0 {
		return
	}
	if err := setScalar(v, text); err != nil {
		// What the file says is quoted, not what it expands to: that may be a secret in a wrong place.
		d.add(key, "%v, got %q", err, n.scalar)
	}
}

// setScalar parses text into v. Errors say what is wanted and do not quote text.
func setScalar(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 0)
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(n)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "on", "yes":
			v.SetBool(true)
		case "false", "off", "no":
			v.SetBool(false)
		default:
			return errors.New("must be true or false")
		}
	default:
		panic("config: no rule to decode " + v.Type().String())
	}
	return nil
}
