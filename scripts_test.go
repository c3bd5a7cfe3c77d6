package overdrive

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A bareMachine has the few programs that scripts need, and of package managers, compilers and PostgreSQL what a test puts there.
type bareMachine struct {
	t   *testing.T
	dir string
}

func newBareMachine(t *testing.T) *bareMachine {
	t.Helper()
	m := &bareMachine{t, t.TempDir()}
	for _, name := range []string{"sh", "dirname", "readlink", "tr", "sort", "tail", "cut", "grep", "tee", "cat", "mkdir", "rmdir", "rm", "cp", "env"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(m.bin(), name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// bin is the one directory of PATH.
func (m *bareMachine) bin() string {
	dir := filepath.Join(m.dir, "path")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		m.t.Fatal(err)
	}
	return dir
}

// program puts a program there.
func (m *bareMachine) program(name, script string) {
	m.t.Helper()
	path := filepath.Join(m.bin(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// run runs a script of ours, for which the places of the system are below the machine's directory.
func (m *bareMachine) run(script string, args ...string) (out, errOut string, err error) {
	m.t.Helper()
	text, err := os.ReadFile("scripts/" + script)
	if err != nil {
		m.t.Fatal(err)
	}
	moved := string(text)
	for _, place := range []string{"/usr/", "/opt/", "/etc/"} {
		moved = strings.ReplaceAll(moved, " "+place, " "+m.dir+place)
		moved = strings.ReplaceAll(moved, "="+place, "="+m.dir+place)
		moved = strings.ReplaceAll(moved, "\t"+place, "\t"+m.dir+place)
	}
	path := filepath.Join(m.dir, script)
	if err := os.WriteFile(path, []byte(moved), 0o755); err != nil {
		m.t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	cmd := exec.Command("sh", append([]string{path}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"PATH=" + m.bin(), "HOME=" + m.dir}, &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// Programs of a bare machine.
const (
	asRoot = "echo 0"
	asUser = "echo 1000"
	// fetches is a Go that fetches PostgreSQL; it is never there already.
	fetches      = `case "$*" in *-cached*) exit 1;; *fetchpostgres*) echo /fetched/bin;; esac`
	fetchesNot   = `exit 1`
	fetchedSoFar = `case "$*" in *fetchpostgres*-cached*) echo /fetched/bin;; *) echo fetched again >&2; exit 1;; esac`
)

func TestEnsurePostgres_InstallsWhereThatIsAllowedElseFetches(t *testing.T) {
	for _, c := range []struct {
		what     string
		programs map[string]string
		args     []string
		want     string // empty: it fails
		says     string
	}{
		{"root installs", map[string]string{"id": asRoot, "go": fetches, "dnf": `mkdir -p "$HOME/usr/pgsql-17/bin"; cp "$0" "$HOME/usr/pgsql-17/bin/initdb"`},
			nil, "/usr/pgsql-17/bin", "installing it with dnf"},
		{"whoever only looks installs nothing", map[string]string{"id": asRoot, "go": fetches, "dnf": `echo installed >&2`},
			[]string{"--leave-alone"}, "/fetched/bin", ""},
		{"unless nothing can be fetched", map[string]string{"id": asRoot, "go": fetchesNot, "dnf": `mkdir -p "$HOME/usr/pgsql-17/bin"; cp "$0" "$HOME/usr/pgsql-17/bin/initdb"`},
			[]string{"--leave-alone"}, "/usr/pgsql-17/bin", "installing it with dnf"},
		{"a user without sudo fetches", map[string]string{"id": asUser, "go": fetches, "dnf": `echo installed >&2`}, nil, "/fetched/bin", ""},
		{"and does so once", map[string]string{"id": asUser, "go": fetchedSoFar}, nil, "/fetched/bin", ""},
		{"what cannot be installed is fetched", map[string]string{"id": asRoot, "go": fetches, "apk": `exit 1`}, nil, "/fetched/bin", "installing it with apk"},
		{"where nothing is allowed it is said what to do", map[string]string{"id": asUser, "go": fetchesNot}, nil, "", "please install PostgreSQL's server programs"},
		{"what is there is used", map[string]string{"id": asRoot, "go": fetches, "initdb": ""}, nil, "path", ""},
	} {
		m := newBareMachine(t)
		for name, script := range c.programs {
			m.program(name, script)
		}
		out, errOut, err := m.run("ensure-postgres", c.args...)
		if (err == nil) != (c.want != "") || !strings.HasSuffix(strings.TrimSuffix(out, "\n"), c.want) || strings.Count(out, "\n") > 1 {
			t.Errorf("%s: got %q, %v, want one line with %q; %s", c.what, out, err, c.want, errOut)
		}
		if !strings.Contains(errOut, c.says) || c.says == "" && errOut != "" {
			t.Errorf("%s: says %q, want %q", c.what, errOut, c.says)
		}
	}
}

// Debian's package would start a server, were it not for a file that says no.
func TestEnsurePostgres_LeavesNothingOfItsOwnInEtc(t *testing.T) {
	const conf = "/etc/postgresql-common/createcluster.conf"
	const unpack = `cat "$HOME` + conf + `" >&2; case "$*" in *install*)
		mkdir -p "$HOME/usr/lib/postgresql/15/bin" "$HOME/usr/share/postgresql-common"; cp "$0" "$HOME/usr/lib/postgresql/15/bin/initdb"
		echo '# the package says nothing' >"$HOME/usr/share/postgresql-common/createcluster.conf";; esac`
	for _, c := range []struct{ what, apt, before, after string }{
		{"installed", unpack, "", "# the package says nothing\n"},
		{"not installed", "exit 1", "", ""},
		{"an administrator's own file", unpack, "start_conf = manual\n", "start_conf = manual\n"},
	} {
		m := newBareMachine(t)
		m.program("id", asRoot)
		m.program("go", fetches)
		m.program("apt-get", c.apt)
		if c.before != "" {
			if err := os.MkdirAll(filepath.Dir(m.dir+conf), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(m.dir+conf, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, errOut, err := m.run("ensure-postgres")
		if err != nil {
			t.Errorf("%s: %v %s", c.what, err, errOut)
		}
		during := c.before
		if during == "" {
			during = "create_main_cluster = false\n"
		}
		if c.apt == unpack && !strings.Contains(errOut, during) {
			t.Errorf("%s: while it is installed the file does not hold %q; %s", c.what, during, errOut)
		}
		if got, _ := os.ReadFile(m.dir + conf); string(got) != c.after {
			t.Errorf("%s: left %q, want %q", c.what, got, c.after)
		}
		if _, err := os.Stat(filepath.Dir(m.dir + conf)); (err == nil) != (c.after != "") {
			t.Errorf("%s: its directory: %v", c.what, err)
		}
	}
}

func TestRace_NeedsACompilerThatWorksAndElseSaysWhatToInstall(t *testing.T) {
	for _, c := range []struct{ what, compiler, want string }{
		{"a compiler", `grep -q stdlib.h`, "-race\n"},
		{"no compiler", "", ""},
		{"a compiler without headers", `exit 1`, ""},
	} {
		m := newBareMachine(t)
		m.program("go", "echo gcc -m64")
		if c.compiler != "" {
			m.program("gcc", c.compiler)
		}
		out, errOut, err := m.run("race")
		if err != nil || out != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.what, out, err, c.want)
		}
		if warned := strings.HasPrefix(errOut, "WITHOUT THE RACE DETECTOR") && strings.Contains(errOut, "apt-get install gcc"); warned != (c.want == "") {
			t.Errorf("%s: says %q", c.what, errOut)
		}
		if strings.Count(errOut, "\n") > 1 {
			t.Errorf("%s: says %q, want one line", c.what, errOut)
		}
	}
}

// Without a compiler the first line of `make test` says so, and the last. With -n make shows what it would do.
func TestMake_TestSaysFirstAndLastThatThereIsNoRaceDetector(t *testing.T) {
	out, err := exec.Command("make", "--no-print-directory", "-n", "test").Output()
	if err != nil {
		t.Skip(err)
	}
	text := strings.TrimSpace(string(out))
	if !strings.HasPrefix(text, "race=$(GO='go' scripts/race); ") || !strings.HasSuffix(text, "scripts/race >/dev/null; exit $code") {
		t.Errorf("make test begins or ends otherwise:\n%s", text)
	}
	if strings.Contains(text, " -race ") {
		t.Errorf("make test wants the race detector whatever is there:\n%s", text)
	}
}
