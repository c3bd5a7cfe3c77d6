package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestRun_ExitsWithTwoOnWrongUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"sevre"}, `unknown command "sevre"`},
		{[]string{"--nonsense"}, "unknown flag: --nonsense"},
		{[]string{"serve", "--nonsense"}, "unknown flag: --nonsense"},
		{[]string{"serve", "now"}, `unexpected argument "now"`},
		{[]string{"serve"}, "serve needs either --config or --connection-string"},
		{[]string{"serve", "--config=a.yaml", "--connection-string=postgres://a:b@c"}, "serve needs either"},
		{[]string{"check"}, "check needs either --config or --connection-string"},
		{[]string{"demo", "twice"}, `unexpected argument "twice"`},
		{[]string{"version", "--json=x=y"}, "unknown flag: --json"},
		{[]string{"healthcheck", "--http=%"}, "invalid"},
		{[]string{"explain", "--config=a.yaml"}, "want one argument, the statement, got 0"},
		{[]string{"explain", "select", "1"}, "want one argument, the statement, got 2"},
		{[]string{"explain", "select 1"}, "explain needs either --config or --connection-string"},
		{[]string{"purge", "--config=a.yaml"}, "purge needs one of --table, --tag, --query and --all"},
		{[]string{"purge", "--all", "--tag=x", "--config=a.yaml"}, "purge needs one of"},
		{[]string{"stats", "now"}, `unexpected argument "now"`},
		{[]string{"stats", "--watch"}, "stats needs either"},
		{[]string{"advise", "now"}, `unexpected argument "now"`},
		{[]string{"advise"}, "advise needs either"},
		{[]string{"create"}, "want one argument, the database's name, got 0"},
		{[]string{"create", "shop"}, "create needs either --connection-string or --host"},
		{[]string{"create", "shop", "--host=a", "--connection-string=postgres://b"}, "use either --connection-string or --host"},
		{[]string{"create", "shop", "--host=a", "--password=x", "--password-stdin"}, "use either --password or --password-stdin"},
		{[]string{"create", "shop", "--host=a", "--max-age=soon"}, "must be a duration"},
		{[]string{"update", "shop"}, "update needs a flag that says what to change"},
		{[]string{"get"}, "want one argument, the database's name, got 0"},
		{[]string{"import"}, "want one argument, a file of PgBouncer, got 0"},
		{[]string{"list", "shop"}, `unexpected argument "shop"`},
		{[]string{"completion", "csh"}, `unexpected argument "csh"`},
		{[]string{"completion", "bash", "now"}, `unexpected argument "now"`},
		{[]string{"man"}, "want one argument, a directory, got 0"},
		{[]string{"delete", "a", "b"}, "want one argument, the database's name, got 2"},
	} {
		got := runToEnd(t, c.args...)
		if got.code != exitUsage || got.out != "" || !strings.Contains(got.errOut, c.want) {
			t.Errorf("%q: got %+v, want exit code 2 and %q", c.args, got, c.want)
		}
		if strings.Count(got.errOut, "\n") != 1 || !strings.HasPrefix(got.errOut, "overdrive: ") {
			t.Errorf("%q: got %q, want one line", c.args, got.errOut)
		}
	}
}

func TestRun_HelpsWithoutACommand(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"--help"}} {
		got := runToEnd(t, args...)
		if got.code != exitDone || got.errOut != "" {
			t.Errorf("%q: got %+v", args, got)
		}
		for _, command := range []string{"serve", "check", "demo", "explain", "purge", "stats", "advise", "healthcheck", "create", "get", "list", "update", "delete", "import", "completion", "version"} {
			if !strings.Contains(got.out, "\n  "+command+" ") {
				t.Errorf("%q: %s is not listed in\n%s", args, command, got.out)
			}
		}
	}
}

func TestVersion_SaysWhatThisIs(t *testing.T) {
	got := runToEnd(t, "version")
	if got.code != exitDone || !strings.HasPrefix(got.out, "overdrive "+version+" (go") {
		t.Errorf("got %+v", got)
	}
}

// Both commands that read a configuration say everything that is wrong with it.
func TestRun_ListsEveryProblemOfAConfiguration(t *testing.T) {
	path := file(t, "overdrive.yaml", "listn: x\nloops: -1\nauth: {users: {app: secret}}\n"+
		"databases: {shop: {url: \"postgres://app:hunter2@db/shop\", pool: {size: 0}}}\n")
	for _, command := range []string{"serve", "check"} {
		got := runToEnd(t, command, "--config", path, "--cache-memory=1MB")
		want := `overdrive: listn: is not a known key; the nearest is listen (overdrive.yaml:1)
overdrive: loops: must be between 0 and 1024, got -1 (overdrive.yaml:2)
overdrive: databases.shop.pool.size: must be at least 1, got 0 (overdrive.yaml:4)
overdrive: cache.memory: must be a size such as 256MiB or 1GiB, got "1MB" (--cache-memory)
`
		if got.code != exitFailed || got.out != "" || !sameLines(got.errOut, want) {
			t.Errorf("%s: got %d, %q and\n%swant\n%s", command, got.code, got.out, got.errOut, want)
		}
	}
}

func sameLines(a, b string) bool {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]++
	}
	for line := range strings.Lines(b) {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestRun_NamesAFileThatIsNotThere(t *testing.T) {
	got := runToEnd(t, "check", "--config=/nowhere/overdrive.yaml")
	want := "overdrive: cannot be read: no such file or directory (/nowhere/overdrive.yaml)\n"
	if got.code != exitFailed || got.errOut != want {
		t.Errorf("got %+v, want %q", got, want)
	}
}

func TestRun_ReportsABadConnectionStringWithoutItsPassword(t *testing.T) {
	got := runToEnd(t, "serve", "--connection-string=postgres://app:hun/ter2@db/shop")
	if got.code != exitFailed || !strings.HasPrefix(got.errOut, "overdrive: connection-string: ") {
		t.Errorf("got %+v", got)
	}
	if strings.Contains(fmt.Sprint(got), "ter2") {
		t.Errorf("the password shows in %+v", got)
	}
}
