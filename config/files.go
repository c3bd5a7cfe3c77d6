package config

import (
	"maps"
	"slices"
)

// Files returns the files that c names, or that the variables in it name, each once: whoever follows a configuration follows them as well.
func (c *Config) Files() []string {
	names := map[string]bool{c.Auth.UsersFile: true, c.TLS.CertFile: true, c.TLS.KeyFile: true, c.TLS.ClientCAFile: true}
	for _, db := range c.Databases {
		up := &db.Upstream
		names[up.SSLCert], names[up.SSLKey] = true, true
		if up.SSLRootCert != systemRoots {
			names[up.SSLRootCert] = true
		}
	}
	for _, name := range c.secretFiles {
		names[name] = true
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}
