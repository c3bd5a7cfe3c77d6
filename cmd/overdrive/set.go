package main

import (
	"errors"
	"slices"
	"strings"

	"overdrive/config"
)

// settableKeys are what SET changes while the program runs: keys that a reload changes, too, and that have one value.
var settableKeys = []string{"log.level", "limits", "cache.memory"}

// errNotSettable refuses SET of any other key.
var errNotSettable = errors.New("can be set here: log.level, limits.*, cache.memory and databases.<name>.pool.*")

// set changes one key for as long as the configuration is not read again.
func (r *running) set(path []string, value string) error {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	ofPool := len(path) == 4 && path[0] == "databases" && path[2] == "pool" //nolint:mnd // databases.<name>.pool.<key>
	if !ofPool && !slices.ContainsFunc(settableKeys, func(key string) bool { return config.IsAt(path, key) }) {
		return errNotSettable
	}
	cfg, err := r.cfg.With(path, value)
	if err != nil {
		return err
	}
	r.log.Info("SET by an administrator", "key", strings.Join(path, "."), "value", value)
	return r.follow(cfg)
}
