package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// Value is one key of a configuration as people may see it: secrets are placeholders.
type Value struct {
	Key     string // with the names of databases and users in it, and the places of rules: "…rules[0].max_age"
	Value   string
	Default string // what Value would be if nothing said otherwise
}

// Values returns every key of c that has a value, in the order of the structs.
func (c *Config) Values() []Value {
	var out []Value
	showValues("", reflect.ValueOf(*c), reflect.ValueOf(*Default()), &out)
	return out
}

func showValues(key string, v, def reflect.Value, out *[]Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	switch {
	case isText(v):
		*out = append(*out, Value{key, fmt.Sprint(v.Interface()), showDefault(def)})
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name, ok := v.Type().Field(i).Tag.Lookup("key"); ok {
				showValues(join(key, name), v.Field(i), field(def, i), out)
			}
		}
	case v.Kind() == reflect.Map:
		for _, name := range slices.Sorted(maps.Keys(stringKeys(v))) {
			elem := v.MapIndex(reflect.ValueOf(name))
			var def reflect.Value
			if elem.Type() == reflect.TypeFor[Database]() {
				def = reflect.ValueOf(DefaultDatabase())
			}
			showValues(join(key, name), elem, def, out)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			showValues(key+"["+strconv.Itoa(i)+"]", v.Index(i), reflect.Value{}, out)
		}
	default:
		*out = append(*out, Value{key, showScalar(v), showDefault(def)})
	}
}

// isText says whether v writes itself, which is how secrets hide.
func isText(v reflect.Value) bool {
	return v.Type().Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func field(v reflect.Value, i int) reflect.Value {
	if !v.IsValid() {
		return v
	}
	return v.Field(i)
}

func stringKeys(v reflect.Value) map[string]bool {
	names := make(map[string]bool, v.Len())
	for _, k := range v.MapKeys() {
		names[k.String()] = true
	}
	return names
}

func showDefault(v reflect.Value) string {
	if !v.IsValid() || v.Kind() == reflect.Pointer {
		return ""
	}
	return showScalar(v)
}

// showScalar writes a list as a flag takes it.
func showScalar(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	s := ""
	for i := range v.Len() {
		if i > 0 {
			s += ","
		}
		s += v.Index(i).String()
	}
	return s
}
