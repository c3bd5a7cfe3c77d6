package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Pattern compiles Match, in Go's syntax of regular expressions. Letter case does not matter, and a dot matches the end of a
// line too, since statements are often written over several. It is nil if Match is empty.
func (r *Rule) Pattern() (*regexp.Regexp, error) {
	if r.Match == "" {
		return nil, nil
	}
	// Compiled by itself first, so that errors quote what was written and a stray parenthesis cannot close ours.
	if _, err := regexp.Compile(r.Match); err != nil {
		return nil, fmt.Errorf("is not a regular expression: %w", err)
	}
	return regexp.Compile("(?is:" + r.Match + ")")
}

// ParseFingerprint reads the fingerprint of a statement as SHOW QUERIES prints it: 16 hexadecimal digits.
func ParseFingerprint(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != fingerprintDigits || n == 0 {
		return 0, fmt.Errorf("must be a fingerprint of %d hexadecimal digits, as SHOW QUERIES prints it, got %q",
			fingerprintDigits, text)
	}
	return n, nil
}

const fingerprintDigits = 16

// CheckFunction returns an error unless text names a function: schema.name for all of the name, schema.name(types of its arguments) for one,
// or schema.* for all of a schema. Names stand as the database has them, without quotes.
func CheckFunction(text string) error {
	name, arguments, typed := strings.Cut(text, "(")
	schema, base, _ := strings.Cut(strings.TrimSpace(name), ".")
	bad := func(part string) bool {
		return part == "" || len(part) > maxNameBytes || strings.ContainsAny(part, "\"'\\ \t\r\n\x00")
	}
	inside, closed := strings.CutSuffix(strings.TrimSpace(arguments), ")")
	if bad(schema) || bad(base) || typed && (!closed || base == "*" || strings.ContainsAny(inside, "()'\\")) {
		return fmt.Errorf("must be schema.name, schema.name(types of arguments) or schema.*, got %q", text)
	}
	return nil
}

// maxNameBytes is the length of the longest name that PostgreSQL does not shorten.
const maxNameBytes = 63

func (v *validator) databaseCache(key string, c DatabaseCache) {
	v.check(key+".in_transactions", oneOf(c.InTransactions, inTransactions))
	atLeast(v, key+".max_age", c.MaxAge, 0)
	atLeast(v, key+".stale_while_revalidate", c.StaleWhileRevalidate, 0)
	atLeast(v, key+".max_result", c.MaxResult, 1)
	atLeast(v, key+".min_memory", c.MinMemory, 0)
	v.check(key+".freshness", oneOf(c.Freshness, freshnesses))
	for i, name := range c.TrustedFunctions {
		v.check(fmt.Sprintf("%s.trusted_functions[%d]", key, i), CheckFunction(name))
	}
	for i := range c.Rules {
		v.rule(fmt.Sprintf("%s.rules[%d]", key, i), &c.Rules[i])
	}
}

func (v *validator) rule(key string, rule *Rule) {
	_, err := rule.Pattern()
	v.check(key+".match", err)
	for i, text := range rule.Fingerprints {
		_, err := ParseFingerprint(text)
		v.check(fmt.Sprintf("%s.fingerprints[%d]", key, i), err)
	}
	if rule.MaxAge != nil {
		atLeast(v, key+".max_age", *rule.MaxAge, 0)
	}
	if rule.StaleWhileRevalidate != nil {
		atLeast(v, key+".stale_while_revalidate", *rule.StaleWhileRevalidate, 0)
	}
	if rule.Clock != nil && *rule.Clock != 0 {
		atLeast(v, key+".clock", *rule.Clock, Duration(time.Second))
	}
	for i, tag := range rule.Tags {
		if tag == "" {
			v.check(fmt.Sprintf("%s.tags[%d]", key, i), errors.New("must not be empty"))
		}
	}
	if rule.Enabled == nil && rule.MaxAge == nil && rule.StaleWhileRevalidate == nil && rule.Clock == nil && len(rule.Tags) == 0 {
		v.check(key, errors.New("must set enabled, max_age, stale_while_revalidate, clock or tags"))
	}
}

// sharedCaches finds databases that are one and the same upstream but differ in what is cached of it. They share a cache,
// so that a write through either is seen by both.
func (v *validator) sharedCaches(databases map[string]Database) {
	first := make(map[upstreamDatabase]string)
	for _, name := range slices.Sorted(maps.Keys(databases)) {
		db := databases[name]
		if db.Upstream.Address == "" {
			continue // its url has a problem of its own
		}
		at := db.Upstream.place()
		other, shared := first[at]
		if !shared {
			first[at] = name
		} else if !reflect.DeepEqual(db.Cache, databases[other].Cache) {
			v.check(join("databases", name)+".cache", fmt.Errorf("%s and %s are the same upstream database: "+
				"their cache settings must be equal", join("databases", other), join("databases", name)))
		}
	}
}

// upstreamDatabase is what databases of equal cache have in common.
type upstreamDatabase struct{ address, name string }

func (up *Upstream) place() upstreamDatabase { return upstreamDatabase{up.Addresses(), up.Database} }

// memoryFloors finds floors that the budget cannot hold together. Names of one upstream database have one floor.
func (v *validator) memoryFloors(cfg *Config) {
	floors := make(map[upstreamDatabase]Size)
	for _, db := range cfg.Databases {
		at := db.Upstream.place()
		floors[at] = max(floors[at], db.Cache.MinMemory)
	}
	var sum Size
	for _, floor := range floors {
		if sum += floor; sum > cfg.Cache.Memory || floor > cfg.Cache.Memory {
			v.check("cache.memory", errors.New("must be at least the sum of min_memory of all databases"))
			return
		}
	}
}

// admin finds names on the console's lists that nobody can log in with.
func (v *validator) admin(cfg *Config) {
	lists := []struct {
		key   string
		names []string
	}{{"admin.users", cfg.Admin.Users}, {"admin.stats_users", cfg.Admin.StatsUsers}}
	for _, list := range lists {
		for i, name := range list.names {
			key := fmt.Sprintf("%s[%d]", list.key, i)
			_, known := cfg.Auth.Users[name]
			switch {
			case name == "":
				v.check(key, errors.New("a user must have a name"))
			case !known && v.needsSecrets(cfg.Auth):
				v.check(key, fmt.Errorf("%s is not in auth.users", quoteName(name)))
			}
		}
	}
}
