package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"overdrive/config"
	"overdrive/proxy/admin"
	"overdrive/querycache"
)

// This file turns what the configuration says of caching and of administrators into the parts that it describes.

// sharedFloor is the part of the cache's memory, one in so many, that databases without a floor of their own share as theirs.
const sharedFloor = 4

// floorShare is the floor of a database that names none. Databases of one upstream count once: they have one cache.
func floorShare(cfg *config.Config) int64 {
	upstreams := make(map[[2]string]bool)
	for _, db := range cfg.Databases {
		upstreams[[2]string{db.Upstream.Addresses(), db.Upstream.Database}] = true
	}
	return int64(cfg.Cache.Memory) / sharedFloor / int64(max(len(upstreams), 1))
}

// cachePolicy returns the policy of one database. Its errors begin with the key below the database's cache.
func cachePolicy(c *config.DatabaseCache, share int64) (*querycache.Policy, error) {
	p := &querycache.Policy{
		Enabled: c.Enabled, DryRun: c.DryRun, InTransactions: c.InTransactions == config.InTransactionsFirstReads, MaxAge: time.Duration(c.MaxAge),
		StaleWhileRevalidate: time.Duration(c.StaleWhileRevalidate), MaxResult: int64(c.MaxResult), Floor: int64(c.MinMemory),
		Trusted: c.TrustedFunctions,
	}
	if p.Floor == 0 {
		p.Floor = share
	}
	for i := range c.Rules {
		rule, err := cacheRule(&c.Rules[i])
		if err != nil {
			return nil, fmt.Errorf("rules[%d].%w", i, err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, nil
}

func cacheRule(r *config.Rule) (querycache.Rule, error) {
	rule := querycache.Rule{
		Tables: r.Tables, Users: r.Users, Enabled: r.Enabled, Tags: r.Tags,
		MaxAge: (*time.Duration)(r.MaxAge), StaleWhileRevalidate: (*time.Duration)(r.StaleWhileRevalidate),
		Clock: (*time.Duration)(r.Clock),
	}
	var err error
	if rule.Match, err = r.Pattern(); err != nil {
		return rule, fmt.Errorf("match: %w", err)
	}
	for i, text := range r.Fingerprints {
		n, err := config.ParseFingerprint(text)
		if err != nil {
			return rule, fmt.Errorf("fingerprints[%d]: %w", i, err)
		}
		rule.Fingerprints = append(rule.Fingerprints, n)
	}
	return rule, nil
}

// consoleOptions are those of the console that administrators log in to.
func (r *running) consoleOptions(cfg *config.Config) admin.Options {
	o := admin.Options{
		Logger: r.log.Logger, Reload: r.reload, Version: version, Admins: cfg.Admin.Users, StatsUsers: cfg.Admin.StatsUsers,
		Users: slices.Sorted(maps.Keys(cfg.Auth.Users)), Set: r.set, Shutdown: r.shutDown,
	}
	for _, v := range cfg.Values() {
		o.Config = append(o.Config, admin.Setting{
			Key: v.Key, Value: v.Value, Default: v.Default, Changeable: !slices.Contains(fixedKeys, v.Key),
		})
	}
	return o
}
