package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// source is where a command takes its configuration from: a file, or one connection string.
type source struct {
	file             string
	connectionString string
}

// addTo defines the flags. Each key of the configuration with a fixed path has a flag of its own as well.
func (s *source) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "configuration file (YAML, TOML or JSON)")
	f.StringVar(&s.connectionString, "connection-string", "", "serve this one database, without a file")
	config.AddFlags(f)
}

// load reads the configuration. Its error is a usageError or lists every problem.
func (s *source) load(cmd *cobra.Command) (*config.Config, error) {
	if (s.file == "") == (s.connectionString == "") {
		return nil, &usageError{fmt.Errorf("%s needs either --config or --connection-string", cmd.Name())}
	}
	cfg, problems := config.Load(config.Options{
		File:             s.file,
		ConnectionString: s.connectionString,
		Environment:      true,
		Flags:            cmd.Flags(),
	})
	if len(problems) > 0 {
		return nil, problems
	}
	return cfg, nil
}
