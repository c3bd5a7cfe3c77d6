package config

import (
	"errors"
	"os"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// bind tells v of the default, flag and variable of each setting, and r of the settings that a flag or variable sets.
func (o Options) bind(v *viper.Viper, r *report) {
	v.AllowEmptyEnv(true)
	for _, s := range settings {
		v.SetDefault(s.key, s.field(Default()).Interface())
		if o.Environment {
			v.MustBindEnv(s.key, s.env())
		}
		if f := o.flag(s); f != nil {
			_ = v.BindPFlag(s.key, f) // fails for a nil flag only
		}
		if place := o.place(s); place != "" {
			r.replace(s.key, place)
		}
	}
	if len(o.Listen) > 0 {
		v.Set("listen", o.Listen)
	}
}

func (o Options) flag(s setting) *pflag.Flag {
	if o.Flags == nil {
		return nil
	}
	return o.Flags.Lookup(s.flag())
}

func (o Options) variable(name string) (string, bool) {
	if !o.Environment {
		return "", false
	}
	return os.LookupEnv(name)
}

// place returns the name of the flag or variable that sets s, or "" if none does. viper does not tell which source won.
func (o Options) place(s setting) string {
	if f := o.flag(s); f != nil && f.Changed || s.key == "listen" && len(o.Listen) > 0 {
		return "--" + s.flag()
	}
	if _, found := o.variable(s.env()); found {
		return s.env()
	}
	return ""
}

// decode makes a Config of what v holds. Names of files in the configuration file start at dir.
func (o Options) decode(v *viper.Viper, dir string, r *report) *Config {
	cfg := new(Config)
	for _, s := range settings {
		field := s.field(cfg).Addr().Interface()
		decodeKey(v, s.key, field, r)
		if file, isText := field.(*string); isText && strings.HasSuffix(s.key, "_file") && o.place(s) == "" {
			resolve(dir, file)
		}
	}
	decodeKey(v, "auth.users", &cfg.Auth.Users, r)
	decodeKey(v, "databases", &cfg.Databases, r)
	return cfg
}

// decodeKey puts the value of key into field. Only a flag or a variable can hold what does not fit: see codec.
func decodeKey(v *viper.Viper, key string, field any, r *report) {
	err := v.UnmarshalKey(key, field, func(c *mapstructure.DecoderConfig) {
		c.TagName, c.WeaklyTypedInput, c.DecodeHook = "key", false, fit
	})
	var bad *mapstructure.DecodeError
	if errors.As(err, &bad) {
		err = bad.Unwrap()
	}
	if err != nil {
		r.add(key, "%v, got %q", err, v.GetString(key))
	}
}

// fit turns value into one that mapstructure can put into to: a list of names into a map, and the text of a flag or
// variable into what it says. A database begins with its defaults.
func fit(value, to reflect.Value) (any, error) {
	text, isText := value.Interface().(string)
	switch {
	case to.Type() == reflect.TypeFor[Database]():
		to.Set(reflect.ValueOf(DefaultDatabase()))
	case to.Kind() == reflect.Map:
		return byName(value.Interface().([]any)), nil
	case isText && to.Kind() == reflect.Slice:
		list := strings.Split(text, ",")
		for i, one := range list {
			list[i] = strings.TrimSpace(one)
		}
		return list, nil
	case isText:
		err := setScalar(to, text)
		return to.Interface(), err
	}
	return value.Interface(), nil
}

// byName turns a list that codec.names made back into a table of names.
func byName(list []any) map[string]any {
	out := make(map[string]any, len(list))
	for _, item := range list {
		entry := item.(map[string]any)
		out[entry[entryName].(string)] = entry[entryValue]
	}
	return out
}
