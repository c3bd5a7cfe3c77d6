package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// Options says where a configuration comes from. The zero value is the defaults alone, which lack a database.
type Options struct {
	// File is the configuration file. Relative names inside it start at its directory.
	File string
	// ConnectionString stands for a file with this one database: see FromConnectionString. It excludes File.
	ConnectionString string
	// Listen replaces the key listen, over every other source, unless it is empty.
	Listen []string
	// Env looks up environment variables, as os.LookupEnv does. Nil is an empty environment.
	Env func(name string) (string, bool)
	// Flags are command line flags as AddFlags defines them. Only those that were given count. It may be nil, and it
	// may hold other flags.
	Flags *pflag.FlagSet
}

// AddFlags defines a flag for each key with a fixed path: cache.memory is --cache-memory. The flags have no defaults of
// their own; Load reads those that were given.
func AddFlags(flags *pflag.FlagSet) {
	for _, s := range settings {
		usage := fmt.Sprintf("sets %s (%s)", s.key, s.env())
		if s.list {
			flags.StringSlice(s.flag(), nil, usage)
		} else {
			flags.String(s.flag(), "", usage)
		}
	}
}

// Load reads, layers and checks a configuration. It returns either a Config or every problem there is.
//
// Load has no effect besides reading files, so a running program reloads by calling it again and, if there are
// problems, keeping the Config it has.
func Load(opts Options) (*Config, Problems) {
	var root *node
	r := &report{origin: make(map[string]string)}
	if opts.File != "" {
		data, err := readFile(opts.File)
		if err == nil {
			root, err = parse(opts.File, data)
		}
		if err != nil {
			r.problems = append(r.problems, Problem{Text: oneLine(err.Error()), Where: opts.File})
			return nil, r.problems
		}
	}
	return load(opts, root, r)
}

// FromConnectionString returns the configuration of the one-line mode: one database under the name it has upstream,
// and clients that log in with the user and password of dsn. listen replaces the default address unless it is empty.
func FromConnectionString(dsn string, listen []string) (*Config, Problems) {
	return Load(Options{ConnectionString: dsn, Listen: listen})
}

// load layers the sources over the defaults and checks the outcome. A nil root is no file.
func load(opts Options, root *node, r *report) (*Config, Problems) {
	cfg := Default()
	if opts.Env == nil {
		opts.Env = func(string) (string, bool) { return "", false }
	}
	dir := ""
	if root != nil {
		dir = filepath.Dir(opts.File)
		d := &decoder{report: r, file: filepath.Base(opts.File), env: opts.Env}
		d.value("", root, reflect.ValueOf(cfg).Elem())
		cfg.resolvePaths(dir)
	}
	if opts.ConnectionString != "" {
		cfg.addOnly(ConnectionString(opts.ConnectionString), r)
	}
	override(cfg, opts, r)
	validate(cfg, dir, r)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return cfg, nil
}

// override sets what the environment and the flags say, the flags last.
func override(cfg *Config, opts Options, r *report) {
	for _, s := range settings {
		texts, place := s.given(opts)
		if place == "" {
			continue
		}
		r.forget(s.key)
		r.origin[s.key] = place
		field := reflect.ValueOf(cfg).Elem().FieldByIndex(s.index)
		if s.list {
			field.Set(reflect.ValueOf(texts))
		} else if err := setScalar(field, texts[0]); err != nil {
			r.add(s.key, "%v, got %q", err, texts[0])
		}
	}
}

// given returns what the strongest of flag and environment says and its name, or "" when neither says anything.
// A variable that is set and empty says something: OVERDRIVE_HTTP= turns the HTTP side off.
func (s setting) given(opts Options) (texts []string, place string) {
	if s.key == "listen" && len(opts.Listen) > 0 {
		return opts.Listen, "--listen"
	}
	if opts.Flags != nil {
		if f := opts.Flags.Lookup(s.flag()); f != nil && f.Changed {
			if list, ok := f.Value.(pflag.SliceValue); ok {
				return list.GetSlice(), "--" + s.flag()
			}
			return []string{f.Value.String()}, "--" + s.flag()
		}
	}
	value, found := opts.Env(s.env())
	if !found {
		return nil, ""
	}
	if !s.list {
		return []string{value}, s.env()
	}
	for one := range strings.SplitSeq(value, ",") {
		texts = append(texts, strings.TrimSpace(one))
	}
	return texts, s.env()
}

// resolvePaths makes the names of files that the configuration file wrote relative to its own directory dir.
func (c *Config) resolvePaths(dir string) {
	for _, name := range []*string{&c.Auth.UsersFile, &c.TLS.CertFile, &c.TLS.KeyFile, &c.TLS.ClientCAFile} {
		resolve(dir, name)
	}
}

func resolve(dir string, name *string) {
	if *name != "" && !filepath.IsAbs(*name) {
		*name = filepath.Join(dir, *name)
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err // the name is in the problem's place
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}
