package postgres

import (
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
)

// This file picks the settings out of a startup packet.

// maxStartupSettings bounds the parameters of a startup packet.
const maxStartupSettings = 100

// startupSettings picks the run-time parameters out of a startup packet. Those in "options" come first, as in PostgreSQL,
// so that a parameter of its own wins.
func startupSettings(params []pgwire.Param) ([]settings.Setting, error) {
	var all []settings.Setting
	add := func(name, value string) { all = append(all, settings.Of(name, value)) }
	for _, p := range params {
		if p.Name != "options" {
			continue
		}
		options, err := pgwire.ParseOptions(p.Value)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			add(o.Name, o.Value)
		}
	}
	for _, p := range params {
		switch {
		case p.Name == "user" || p.Name == "database" || p.Name == "options" || p.Name == "replication":
		case strings.HasPrefix(p.Name, "_pq_."):
		default:
			add(p.Name, p.Value)
		}
	}
	return lastOfEach(all), nil
}

// lastOfEach returns the settings without those that a later one of the same name overrides.
func lastOfEach(all []settings.Setting) []settings.Setting {
	last := make(map[string]int, len(all))
	for i, it := range all {
		last[it.Key] = i
	}
	var found []settings.Setting
	for i, it := range all {
		if last[it.Key] == i {
			found = append(found, it)
		}
	}
	return found
}
