package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Options says where a configuration comes from. The zero value is the defaults alone, which lack a database.
type Options struct {
	// File is the configuration file. Relative names inside it start at its directory.
	File string
	// ConnectionString stands for a file with this one database: see FromConnectionString. It excludes File.
	ConnectionString string
	// Listen replaces the key listen, over every other source, unless it is empty.
	Listen []string
	// Environment says whether environment variables count: those of the keys, and ${NAME} in the file. Without it the
	// environment is taken to be empty.
	Environment bool
	// Flags are command line flags as AddFlags defines them. Only those that were given count. It may be nil, and it
	// may hold other flags.
	Flags *pflag.FlagSet

	standIns bool // a variable of the file that is not set stands for its own name: ${NAME}
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
	var data []byte
	if opts.File != "" {
		var err error
		if data, err = readFile(opts.File); err != nil {
			return nil, Problems{{Text: oneLine(err.Error()), Where: opts.File}}
		}
	}
	return load(opts, data)
}

// FromConnectionString returns the configuration of the one-line mode: one database under the name it has upstream,
// and clients that log in with the user and password of dsn. listen replaces the default address unless it is empty.
func FromConnectionString(dsn string, listen []string) (*Config, Problems) {
	return Load(Options{ConnectionString: dsn, Listen: listen})
}

// load is Load for a file that holds data.
func load(opts Options, data []byte) (*Config, Problems) {
	cfg, problems := read(opts, data)
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}

// read is load that returns what it could read beside the problems; keys with a problem are not set. Each call has a viper of its own, in
// which nothing of an earlier one is left.
func read(opts Options, data []byte) (*Config, Problems) {
	r := &report{origin: make(map[string]string)}
	named := &variables{opts: opts}
	c := &codec{report: r, file: filepath.Base(opts.File), env: named.lookUp}
	v := viper.NewWithOptions(viper.WithDecoderRegistry(c))
	dir := ""
	if opts.File != "" {
		dir = filepath.Dir(opts.File)
		if err := readInto(v, c, data); err != nil {
			return new(Config), Problems{{Text: oneLine(err.Error()), Where: opts.File}}
		}
	}
	if opts.ConnectionString != "" {
		addOnly(v, ConnectionString(opts.ConnectionString), r)
	}
	opts.bind(v, r)
	cfg := opts.decode(v, dir, r)
	if opts.ConnectionString != "" {
		cfg.showAllToUsers()
	}
	cfg.secretFiles = named.files
	validate(cfg, dir, r)
	return cfg, r.problems
}

// readInto has v read data through c, in the format that the extension of c's file tells.
func readInto(v *viper.Viper, c *codec, data []byte) error {
	ext := strings.ToLower(filepath.Ext(c.file))
	format := strings.TrimPrefix(ext, ".")
	if c.parse = parsers[format]; c.parse == nil {
		return fmt.Errorf("has the extension %q; .yaml, .toml and .json are known", ext)
	}
	v.SetConfigType(format)
	err := v.ReadConfig(bytes.NewReader(data))
	var inFile viper.ConfigParseError
	if errors.As(err, &inFile) {
		return inFile.Unwrap() // what viper puts around it says nothing more
	}
	return err
}

// resolve makes *name, unless it is empty, relative to dir.
func resolve(dir string, name *string) {
	if *name != "" && !filepath.IsAbs(*name) {
		*name = filepath.Join(dir, *name)
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", bare(err)) // the name is in the problem's place
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}
