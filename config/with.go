package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// With returns a copy of c, which Load has made, in which one key has another value, as a flag would set it. The path is the names that
// lead to the key: log, level or databases, shop, pool, size. The error lists what is wrong with the configuration then and was not before.
func (c *Config) With(path []string, text string) (*Config, error) {
	after := c.copied()
	at, leave := after.lookUp(path)
	if !at.IsValid() {
		return nil, Problems{{Key: joinAll(path), Text: "is not a key that has one value"}}
	}
	if err := setScalar(at, text); err != nil {
		return nil, Problems{{Key: joinAll(path), Text: fmt.Sprintf("%v, got %q", err, text)}}
	}
	leave()
	if problems := newProblems(c, after); len(problems) > 0 {
		return nil, problems
	}
	return after, nil
}

func joinAll(path []string) (key string) {
	for _, name := range path {
		key = join(key, name)
	}
	return key
}

// copied is a copy as deep as With and validate need it.
func (c *Config) copied() *Config {
	d := *c
	d.Databases, d.Auth.Users = maps.Clone(c.Databases), maps.Clone(c.Auth.Users)
	return &d
}

// lookUp returns the value at a path, or nothing; leave must be called when it was set.
func (c *Config) lookUp(path []string) (at reflect.Value, leave func()) {
	leave = func() {}
	at = reflect.ValueOf(c).Elem()
	if len(path) > 1 && path[0] == "databases" {
		database := path[1]
		db, known := c.Databases[database]
		if !known {
			return reflect.Value{}, leave
		}
		at = reflect.ValueOf(&db).Elem()
		leave = func() { c.Databases[database] = db }
		path = path[2:]
	}
	for _, name := range path {
		if at.Kind() != reflect.Struct || isText(at) {
			return reflect.Value{}, leave
		}
		if at = fieldOf(at, name); !at.IsValid() {
			return at, leave
		}
	}
	if settable := isText(at) || at.Kind() == reflect.String || at.Kind() == reflect.Int || at.Kind() == reflect.Bool; !settable {
		return reflect.Value{}, leave
	}
	return at, leave
}

// fieldOf returns the field of a struct with a key.
func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if name, _ := v.Type().Field(i).Tag.Lookup("key"); name == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// newProblems are those of after that before has not. File names inside URLs may no longer be found by either, so both would have the same
// problem.
func newProblems(before, after *Config) Problems {
	problemsOf := func(c *Config) Problems {
		r := &report{origin: make(map[string]string)}
		validate(c.copied(), "", r)
		return r.problems
	}
	known := problemsOf(before)
	return slices.DeleteFunc(problemsOf(after), func(p Problem) bool { return slices.Contains(known, p) })
}

// IsAt reports whether a path begins with the names of a key: "log.level", "limits".
func IsAt(path []string, key string) bool {
	names := strings.Split(key, ".")
	return len(path) >= len(names) && slices.Equal(path[:len(names)], names)
}
