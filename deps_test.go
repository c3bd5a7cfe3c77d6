package overdrive

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms is a statement of policy: who may import whom among our own packages. A package that is not listed may not be
// imported by any other. Do not change it to make a build pass; change it when the house changes, with a decision record.
var rooms = map[string][]string{
	"pool":                         {},
	"config":                       {},
	"querycache":                   {"querycache/classify", "querycache/sqlscan"},
	"querycache/classify":          {"querycache/classify/nodetree", "querycache/sqlscan"},
	"querycache/classify/nodetree": {},
	"querycache/sqlscan":           {},
	"proxy": {
		"pool", "querycache", "querycache/classify", "querycache/sqlscan",
		"proxy/loop", "proxy/pgauth", "proxy/pgwire", "proxy/upstream",
	},
	"proxy/admin":             {"proxy", "proxy/pgwire", "querycache/sqlscan"},
	"proxy/pgwire":            {},
	"proxy/pgauth":            {},
	"proxy/loop":              {},
	"proxy/upstream":          {"proxy/pgauth", "proxy/pgwire"},
	"proxy/proxytest":         {"proxy/proxytest/pglocal"},
	"proxy/proxytest/pglocal": {},
	"cmd/overdrive": {
		"config", "pool", "proxy", "proxy/admin", "proxy/pgauth", "proxy/upstream", "proxy/proxytest/pglocal", "querycache",
	},
	"cmd/overdrive-bench": {"proxy/proxytest/pglocal"},
}

// outsiders lists the packages that a room may use beyond the standard library and our own, by prefix.
var outsiders = map[string][]string{
	"config":                  {"github.com/pelletier/go-toml/v2", "github.com/spf13/pflag", "go.yaml.in/yaml/v3"},
	"querycache/classify":     {"github.com/hashicorp/golang-lru/v2", "github.com/multigres/multigres/go/common/parser"},
	"proxy":                   {"github.com/hashicorp/golang-lru/v2"},
	"proxy/pgauth":            {"golang.org/x/text"},
	"proxy/loop":              {"golang.org/x/sys/unix"},
	"proxy/proxytest":         {"github.com/jackc/pgx/v5"},
	"proxy/proxytest/pglocal": {"github.com/jackc/pgx/v5"},
	"cmd/overdrive":           {"github.com/jackc/pgx/v5", "github.com/spf13/cobra"},
	"cmd/overdrive-bench":     {"github.com/jackc/pgx/v5"},
}

// bans say why some imports would be worse than others.
var bans = []struct{ room, imports, why string }{
	{"pool", "net", "the pool is generic over its connections; it must serve MySQL as it serves PostgreSQL"},
	{"pool", "overdrive/proxy", "the pool knows no protocol"},
	{"querycache", "net", "the cache sees SQL text and opaque bytes, no sockets"},
	{"querycache", "overdrive/proxy", "the cache knows no wire format; MySQL will share it"},
	{"proxy", "overdrive/config", "the proxy is given Options; where they come from is the program's business"},
	{"proxy", "overdrive/proxy/admin", "the proxy does not know who looks at it; the program gives it a Console"},
	{"proxy/loop", "overdrive/", "a loop moves bytes and knows no protocol"},
	{"proxy/pgauth", "net", "authentication is bytes in and bytes out"},
	{"proxy/pgwire", "net", "framing does no I/O of its own"},
	{"config", "overdrive/", "the configuration is data; nobody it describes may leak into it"},
}

func TestRooms_ImportOnlyWhomTheyMayKnow(t *testing.T) {
	for room, imports := range listImports(t) {
		allowed, listed := rooms[room]
		if !listed {
			t.Errorf("package %s is not in the table of rooms", room)
			continue
		}
		for _, path := range imports {
			for _, ban := range bans {
				if ban.room == room && (path == ban.imports || strings.HasSuffix(ban.imports, "/") && strings.HasPrefix(path, ban.imports)) {
					t.Errorf("%s imports %s: %s", room, path, ban.why)
				}
			}
			ours, isOurs := strings.CutPrefix(path, "overdrive/")
			switch {
			case isOurs && !slices.Contains(allowed, ours):
				t.Errorf("%s imports %s, which the table of rooms does not allow", room, path)
			case !isOurs && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") && !permitted(room, path):
				t.Errorf("%s imports %s: a dependency needs a decision record and a line in the table of outsiders", room, path)
			}
		}
	}
}

func permitted(room, path string) bool {
	return slices.ContainsFunc(outsiders[room], func(prefix string) bool {
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	})
}

// listImports asks the go command what each package imports, tests aside.
func listImports(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(fmt.Errorf("go list: %w", err))
	}
	all := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if room, ok := strings.CutPrefix(words[0], "overdrive/"); ok {
			all[room] = words[1:]
		}
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages only", len(all))
	}
	return all
}
