package main

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// The environment variables that stand for the flags of a source where neither is given. The first that is set counts.
const (
	envConnectionString     = "OVERDRIVE_CONNECTION_STRING"
	envConnectionStringFile = "OVERDRIVE_CONNECTION_STRING_FILE"
	envConfig               = "OVERDRIVE_CONFIG"
)

// source is where a command takes its configuration from: a file, or one connection string.
type source struct {
	file             string
	connectionString string
	stringFile       string // that holds the connection string
}

// addTo defines the flags. Each key of the configuration with a fixed path has a flag of its own as well.
func (s *source) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "configuration file: YAML, TOML or JSON ("+envConfig+")")
	f.StringVar(&s.connectionString, "connection-string", "",
		"serve this one database, without a file ("+envConnectionString+",\nor the file that "+envConnectionStringFile+" names)")
	config.AddFlags(f)
}

// chosen is what the flags say, else what the environment says.
func (s *source) chosen() source {
	if s.file != "" || s.connectionString != "" {
		return *s
	}
	if dsn := os.Getenv(envConnectionString); dsn != "" {
		return source{connectionString: dsn}
	}
	if file := os.Getenv(envConnectionStringFile); file != "" {
		return source{stringFile: file}
	}
	return source{file: os.Getenv(envConfig)}
}

// followed is the file whose changes a running program follows; empty: there is none.
func (s *source) followed() string {
	c := s.chosen()
	return cmp.Or(c.file, c.stringFile)
}

// load reads the configuration. Its error is a usageError or lists every problem.
func (s *source) load(cmd *cobra.Command) (*config.Config, error) {
	c := s.chosen()
	if c.stringFile != "" {
		dsn, err := config.ReadSecret(c.stringFile)
		if err != nil {
			return nil, config.Problems{{Text: "the file that " + envConnectionStringFile + " names " + err.Error(), Where: c.stringFile}}
		}
		c.connectionString = dsn.Reveal()
	}
	if (c.file == "") == (c.connectionString == "") {
		return nil, &usageError{fmt.Errorf("%s needs either --config or --connection-string", cmd.Name())}
	}
	cfg, problems := config.Load(config.Options{
		File:             c.file,
		ConnectionString: c.connectionString,
		Environment:      true,
		Flags:            cmd.Flags(),
	})
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}
