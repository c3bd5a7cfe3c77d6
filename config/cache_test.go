package config

import (
	"strings"
	"testing"
	"time"
)

// withCache is a file whose one database has the cache settings.
func withCache(settings string) string {
	return strings.Replace(shop, "shop\"}", "shop\", cache: {"+settings+"}}", 1)
}

func TestLoad_ReadsTheRulesOfACache(t *testing.T) {
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", withCache(`
    dry_run: true, min_memory: 8MiB, rules: [
      {tables: [scores, public.teams], fingerprints: [0123456789abcdef], users: [app], match: "from x",
       enabled: false, max_age: 5s, stale_while_revalidate: 2s, tags: [a, b]}]`))})
	c := cfg.Databases["shop"].Cache
	if !c.DryRun || c.MinMemory != 8*MiB || len(c.Rules) != 1 {
		t.Fatalf("got %+v", c)
	}
	r := c.Rules[0]
	if *r.Enabled || *r.MaxAge != Duration(5*time.Second) || *r.StaleWhileRevalidate != Duration(2*time.Second) {
		t.Errorf("settings: got %v %v %v", *r.Enabled, *r.MaxAge, *r.StaleWhileRevalidate)
	}
	if got := strings.Join(append(append(r.Tables, r.Fingerprints...), r.Tags...), " "); got != "scores public.teams 0123456789abcdef a b" {
		t.Errorf("lists: got %q", got)
	}
}

func TestRule_PatternIgnoresLetterCaseAndLineEnds(t *testing.T) {
	rule := Rule{Match: "select .* from standings"}
	pattern, err := rule.Pattern()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"SELECT a,\n\tb FROM Standings": true, "select a from standings where b": true, "select a from scores": false,
	} {
		if got := pattern.MatchString(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	if pattern, err := new(Rule).Pattern(); pattern != nil || err != nil {
		t.Errorf("no pattern: got %v, %v", pattern, err)
	}
	unbalanced := Rule{Match: "a)|(b"}
	if _, err := unbalanced.Pattern(); err == nil || strings.Contains(err.Error(), "?is") {
		t.Errorf("got %v, want an error that quotes what was written", err)
	}
}

func TestParseFingerprint_ReadsWhatShowQueriesPrints(t *testing.T) {
	if n, err := ParseFingerprint("00000000000000ff"); n != 255 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, text := range []string{"", "ff", "0000000000000000", "000000000000000g", "00000000000000ff0", "0x000000000000ff"} {
		if _, err := ParseFingerprint(text); err == nil {
			t.Errorf("%q was taken for a fingerprint", text)
		}
	}
}

func TestLoad_RefusesRulesThatCannotWork(t *testing.T) {
	wantProblems(t, withCache(`min_memory: -1, rules: [
		{enabled: true, match: "(", fingerprints: [abc], max_age: -1, stale_while_revalidate: -2, tags: [""]}]`),
		"databases.shop.cache.min_memory: must be at least 0, got -1",
		"databases.shop.cache.rules[0].match: is not a regular expression",
		"databases.shop.cache.rules[0].fingerprints[0]: must be a fingerprint of 16 hexadecimal digits, as SHOW QUERIES prints it",
		"databases.shop.cache.rules[0].max_age: must be at least 0s, got -1s",
		"databases.shop.cache.rules[0].stale_while_revalidate: must be at least 0s, got -2s",
		"databases.shop.cache.rules[0].tags[0]: must not be empty")
}

func TestLoad_ReportsABadSettingOfARuleOnce(t *testing.T) {
	wantProblems(t, withCache("rules: [{max_age: soon}, {enabled: {}}]"),
		`databases.shop.cache.rules[0].max_age: must be a duration such as 15s or 1h30m, got "soon"`,
		"databases.shop.cache.rules[1].enabled: must be a single value, not a table")
}

func TestLoad_RefusesFloorsThatTheBudgetCannotHold(t *testing.T) {
	const floors = `
auth: {users: {app: secret}}
cache: {memory: 64MiB}
databases:
  one: {url: "postgres://app:x@db/one", cache: {min_memory: 40MiB}}
  alias: {url: "postgres://app:x@db/one", cache: {min_memory: 40MiB}}
  two: {url: "postgres://app:x@db/two", cache: {min_memory: 24MiB}}
`
	mustLoad(t, Options{File: write(t, "o.yaml", floors)}) // an alias has no floor of its own
	wantProblems(t, strings.Replace(floors, "24MiB", "25MiB", 1),
		"cache.memory: must be at least the sum of min_memory of all databases")
}

// What is wrong with a url says nothing of its database's floor; neither does the order in which Go walks a map.
func TestLoad_CountsTheFloorOfADatabaseWhoseURLIsBad(t *testing.T) {
	const file = `
auth: {users: {app: secret}}
cache: {memory: 64MiB}
databases:
  one: {url: nix, cache: {min_memory: 65MiB}}
  two: {url: nix}
`
	for range 20 {
		wantProblems(t, file, "databases.one.url: must be a URL", "databases.two.url: must be a URL",
			"cache.memory: must be at least the sum of min_memory of all databases")
	}
}

func TestLoad_WantsAdministratorsWhoCanLogIn(t *testing.T) {
	const admin = "admin: {users: [app, root], stats_users: [\"\"]}\n"
	wantProblems(t, shop+admin, "admin.users[1]: root is not in auth.users", "admin.stats_users[0]: a user must have a name")
	setenv(t, "OVERDRIVE_ADMIN_STATS_USERS", "a, b")
	cfg := mustLoad(t, Options{File: write(t, "o.yaml", strings.Replace(shop, "auth: {", "auth: {method: trust, ", 1)+
		"admin: {users: [root]}\n"), Environment: true})
	if got := strings.Join(append(cfg.Admin.Users, cfg.Admin.StatsUsers...), " "); got != "root a b" {
		t.Errorf("got %q", got)
	}
}
