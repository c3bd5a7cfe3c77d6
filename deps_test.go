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
	"querycache":                   {"querycache/verdict"},
	"querycache/verdict":           {},
	"querycache/classify":          {"querycache/classify/nodetree", "querycache/sqlscan", "querycache/verdict"},
	"querycache/classify/nodetree": {"querycache/sqlscan"},
	"querycache/sqlscan":           {},
	"querycache/sqlscan/hostile":   {},
	"proxy":                        {"pool", "proxy/loop", "proxy/traffic"},
	"proxy/traffic":                {},
	"proxy/postgres": {
		"pool", "proxy", "proxy/loop", "proxy/postgres/catalog", "proxy/postgres/notify", "proxy/postgres/pgauth", "proxy/postgres/pgwire",
		"proxy/postgres/session", "proxy/postgres/settings", "proxy/postgres/upstream", "proxy/traffic",
		"querycache", "querycache/classify", "querycache/sqlscan", "querycache/verdict",
	},
	"proxy/postgres/catalog": {
		"pool", "proxy/postgres/pgwire", "proxy/postgres/session", "proxy/postgres/upstream", "proxy/traffic", "querycache",
		"querycache/classify", "querycache/verdict",
	},
	"proxy/postgres/session": {
		"querycache", "querycache/classify", "querycache/sqlscan", "querycache/verdict", "proxy/postgres/pgwire", "proxy/postgres/settings",
		"proxy/traffic",
	},
	"proxy/postgres/notify":   {"proxy/postgres/pgwire", "proxy/postgres/session", "proxy/postgres/upstream"},
	"proxy/postgres/settings": {},
	"proxy/admin":             {"proxy", "proxy/postgres/pgwire", "querycache/sqlscan"},
	"proxy/admin/dashboard":   {"proxy", "proxy/traffic"},
	"proxy/admin/metrics":     {"pool", "proxy", "proxy/traffic"},
	"proxy/postgres/pgwire":   {},
	"proxy/postgres/pgauth":   {},
	"proxy/loop":              {},
	"proxy/postgres/upstream": {"proxy/postgres/pgauth", "proxy/postgres/pgwire"},
	"proxy/proxytest":         {"proxy/proxytest/pglocal"},
	"proxy/proxytest/pglocal": {},
	"proxy/proxytest/rig": {
		"pool", "proxy", "proxy/postgres", "proxy/postgres/pgauth", "proxy/postgres/pgwire", "proxy/postgres/upstream", "proxy/proxytest",
		"querycache",
	},
	"proxy/faults":      {},
	"proxy/bystander":   {},
	"proxy/checklist":   {},
	"proxy/consistency": {},
	"proxy/leaks":       {},
	"proxy/scale":       {},
	"scripts/drivers":   {"proxy/proxytest/pglocal", "scripts/serving"},
	"scripts/serving":   {},
	"scripts/suites":    {"proxy/proxytest/pglocal", "scripts/serving"},
	"scripts/gotest":    {},
	"scripts/worker":    {"proxy/proxytest/pglocal", "scripts/serving"},
	"cmd/overdrive": {
		"cmd/overdrive/logqueue",
		"config", "pool", "proxy", "proxy/admin", "proxy/admin/dashboard", "proxy/admin/metrics", "proxy/postgres", "proxy/postgres/pgauth", "proxy/postgres/upstream", "proxy/proxytest/pglocal",
		"proxy/traffic", "querycache",
	},
	"cmd/overdrive/logqueue": {},
	"cmd/overdrive-bench":    {"proxy/proxytest/pglocal"},
}

// outsiders lists the packages that a room may use beyond the standard library and our own, by prefix.
var outsiders = map[string][]string{
	"config": {
		"github.com/go-viper/mapstructure/v2", "github.com/hbollon/go-edlib", "github.com/pelletier/go-toml/v2", "github.com/spf13/pflag",
		"github.com/spf13/viper", "go.yaml.in/yaml/v3",
	},
	"querycache/classify":     {"github.com/hashicorp/golang-lru/v2", "github.com/multigres/multigres/go/common/parser"},
	"proxy/admin":             {"github.com/hbollon/go-edlib", "github.com/jackc/pgx/v5/pgproto3"},
	"proxy/admin/metrics":     {"github.com/prometheus/client_golang", "github.com/prometheus/client_model"},
	"proxy/postgres/session":  {"github.com/hashicorp/golang-lru/v2"},
	"proxy/postgres/pgauth":   {"golang.org/x/text"},
	"proxy/loop":              {"golang.org/x/sys/unix"},
	"proxy/postgres/upstream": {"github.com/jackc/pgx/v5/pgconn", "github.com/jackc/pgx/v5/pgproto3"},
	"proxy/proxytest":         {"github.com/jackc/pgx/v5"},
	"proxy/proxytest/pglocal": {"github.com/jackc/pgx/v5"},
	"proxy/proxytest/rig":     {"github.com/jackc/pgx/v5"},
	"cmd/overdrive": {
		"github.com/coreos/go-systemd/v22", "github.com/jackc/pgx/v5", "github.com/spf13/cobra", "go.opentelemetry.io/otel", "golang.org/x/crypto/x509roots/fallback",
	},
	"scripts/drivers":     {"github.com/jackc/pgx/v5"},
	"scripts/serving":     {"github.com/jackc/pgx/v5"},
	"scripts/worker":      {"github.com/jackc/pgx/v5"},
	"scripts/suites":      {"github.com/jackc/pgx/v5"},
	"cmd/overdrive-bench": {"github.com/jackc/pgx/v5"},
}

// bans say why some imports would be worse than others. They hold for a package, and for whatever of ours it links, however
// far away the import is.
var bans = []struct{ room, imports, why string }{
	{"pool", "net", "the pool is generic over its connections; it must serve MySQL as it serves PostgreSQL"},
	{"pool", "overdrive/proxy", "the pool knows no protocol"},
	{"querycache", "net", "the cache sees SQL text and opaque bytes, no sockets"},
	{"querycache", "overdrive/proxy", "the cache knows no wire format; MySQL will share it"},
	{"querycache", "overdrive/querycache/classify", "grammar and catalog are PostgreSQL's; the cache is handed a verdict"},
	{"querycache", "overdrive/querycache/sqlscan", "where a comment or a string ends is PostgreSQL's to say; the cache is handed words and bytes"},
	{"querycache", "github.com/multigres/multigres", "who wants the cache for another dialect does not want PostgreSQL's grammar"},
	{"querycache/verdict", "overdrive/", "whomever it knew, every dialect and the cache would know"},
	{"proxy", "overdrive/proxy/postgres", "listeners, limits, loops and the end are the same for every protocol; MySQL will share them"},
	{"proxy", "overdrive/querycache", "what a statement is, and what becomes of its answer, is for its protocol to know"},
	{"proxy/postgres", "overdrive/config", "the proxy is given Options; where they come from is the program's business"},
	{"proxy/postgres", "overdrive/proxy/admin", "the proxy does not know who looks at it; the program gives it a Console"},
	{"proxy/postgres/catalog", "overdrive/proxy/loop", "a keeper asks its questions in a goroutine of its own, and no loop waits for it"},
	{"proxy/postgres/notify", "overdrive/proxy/loop", "the listener waits for the network in goroutines of its own, and for no loop"},
	{"proxy/postgres/session", "net", "the machine does no I/O: it is handed events and acts through Peer, Driver and ServerDriver"},
	{"proxy/postgres/session", "os", "the machine does no I/O"},
	{"proxy/postgres/session", "crypto/tls", "to the machine bytes are bytes; TLS is the driver's and the loop's"},
	{"proxy/postgres/session", "overdrive/proxy/loop", "whoever moves the bytes drives the machine: an event loop, or a test that cuts them anywhere"},
	{"proxy/postgres/session", "overdrive/pool", "the machine asks its Driver for a server; whether there is a pool, and its queue, is not its business"},
	{"proxy/postgres/session", "overdrive/proxy/postgres/upstream", "how one logs in at a server is over before the machine hears of the connection"},
	{"proxy/postgres/settings", "overdrive/", "the table of parameters is a leaf: whoever meets a parameter must be able to look it up"},
	{"proxy/traffic", "overdrive/", "whoever counts must be able to: the machine, the loops, any protocol"},
	{"proxy", "github.com/prometheus", "who counts knows no metrics library; who scrapes reads snapshots"},
	{"proxy/postgres", "github.com/prometheus", "who counts knows no metrics library; who scrapes reads snapshots"},
	{"proxy/admin/dashboard", "overdrive/proxy/postgres", "it shows what is true of any protocol; a password is checked by whoever knows the accounts"},
	{"proxy/admin/dashboard", "overdrive/config", "it is given Options and Accounts; where they come from is the program's business"},
	{"proxy/loop", "overdrive/", "a loop moves bytes and knows no protocol"},
	{"proxy/postgres/pgauth", "net", "authentication is bytes in and bytes out"},
	{"proxy/postgres/pgwire", "net", "framing does no I/O of its own"},
	{"config", "overdrive/", "the configuration is data; nobody it describes may leak into it"},
}

func TestRooms_ImportOnlyWhomTheyMayKnow(t *testing.T) {
	for room, imports := range list(t, "Imports") {
		allowed, listed := rooms[room]
		if !listed {
			t.Errorf("package %s is not in the table of rooms", room)
			continue
		}
		for _, path := range imports {
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
	return slices.ContainsFunc(outsiders[room], func(module string) bool { return within(path, module) })
}

// A ban holds for the room and for all of ours that it links. What modules of others import is their business.
func TestRooms_LinkNothingThatTheyAreBannedFrom(t *testing.T) {
	linked, imported := list(t, "Deps"), list(t, "Imports")
	for _, ban := range bans {
		if _, exists := linked[ban.room]; !exists {
			t.Errorf("the ban of %s from %s is for nobody", ban.imports, ban.room)
		}
		for _, path := range append(linked[ban.room], "overdrive/"+ban.room) {
			room, ours := strings.CutPrefix(path, "overdrive/")
			for _, used := range imported[room] {
				if ours && within(used, ban.imports) {
					t.Errorf("%s links %s, by %s: %s", ban.room, used, room, ban.why)
				}
			}
		}
	}
}

func TestCache_IsTestedWithoutAnyDialect(t *testing.T) {
	for _, room := range []string{"querycache", "querycache/verdict"} {
		for _, path := range goList(t, "-deps", "-test", "./"+room) {
			path, _, _ = strings.Cut(path, " ") // what is built anew for a test has that behind its name
			for _, dialect := range []string{
				"overdrive/querycache/classify", "overdrive/querycache/sqlscan", "overdrive/proxy", "github.com/multigres/multigres",
			} {
				if within(path, dialect) {
					t.Errorf("the tests of %s link %s", room, path)
				}
			}
		}
	}
}

// within reports whether the package is the one given, or below it.
func within(path, whole string) bool {
	whole = strings.TrimSuffix(whole, "/")
	return path == whole || strings.HasPrefix(path, whole+"/")
}

// list asks the go command for a list of packages that it has of each of ours, tests aside.
func list(t *testing.T, field string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .`+field+` " "}}`, "./...") {
		words := strings.Fields(line)
		if room, ok := strings.CutPrefix(words[0], "overdrive/"); ok {
			all[room] = words[1:]
		}
	}
	return all
}

// goList returns the lines that go list prints.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatal(fmt.Errorf("go list: %w", err))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 10 {
		t.Fatalf("go list names %d packages only", len(lines))
	}
	return lines
}
