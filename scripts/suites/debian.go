package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// This file fetches the sources of an installed PostgreSQL with apt, in the installed version, and the headers for them. Nothing is installed, and
// nothing of the system's changes: apt is told to keep its lists in a folder of ours, with deb-src besides deb for each source that the
// system has.

// A source has what is needed of a PostgreSQL's sources.
type source struct {
	tests   string // src/test/regress
	headers string // of the server
}

// A debPackage is the one that a file belongs to.
type debPackage struct{ name, version, source, sourceVersion string }

// fetchSource returns the sources of the server whose program is given. They are kept for the next time. If they cannot be had, it returns why.
func fetchSource(ctx context.Context, program string) (s source, missing, err error) {
	for _, needed := range []string{"apt-get", "dpkg-query", "dpkg-deb", "tar", "bzip2"} {
		if _, err := exec.LookPath(needed); err != nil {
			return s, fmt.Errorf("the sources come by Debian's packages: %w", err), nil
		}
	}
	p, err := packageOf(ctx, program)
	if err != nil {
		return s, err, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return s, nil, err
	}
	dir := filepath.Join(cache, "overdrive-suites", p.source+"_"+p.sourceVersion)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		if missing, err := fetchPackages(ctx, p, dir); missing != nil || err != nil {
			return s, missing, err
		}
	}
	return source{filepath.Join(dir, "src/test/regress"), filepath.Join(dir, "usr/include/postgresql", p.major(), "server")}, nil, nil
}

// major is PostgreSQL's major version.
func (p *debPackage) major() string {
	return strings.TrimPrefix(p.name, "postgresql-")
}

func packageOf(ctx context.Context, program string) (*debPackage, error) {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-S", program).Output()
	name, _, found := strings.Cut(string(out), ":")
	if err != nil || !found {
		return nil, fmt.Errorf("%s is of no Debian package", program)
	}
	out, err = exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version} ${source:Package} ${source:Version}", name).Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) != 3 {
		return nil, fmt.Errorf("dpkg-query knows nothing of %s", name)
	}
	return &debPackage{name, words[0], words[1], words[2]}, nil
}

// fetchPackages fills dir, which is there when all of it is.
func fetchPackages(ctx context.Context, p *debPackage, dir string) (missing, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetching-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	apt, err := aptBeside(work)
	if err != nil {
		return nil, err
	}
	for _, words := range [][]string{
		{"update", "-q"},
		{"source", "-q", "--download-only", p.source + "=" + p.sourceVersion},
		{"download", "-q", "postgresql-server-dev-" + p.major() + "=" + p.version},
	} {
		cmd := exec.CommandContext(ctx, "apt-get", append(apt, words...)...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(words, " "), err, out), nil
		}
	}
	return nil, unpack(ctx, work, dir)
}

// unpack takes what is needed of the packages in work.
func unpack(ctx context.Context, work, dir string) error {
	full := filepath.Join(work, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		return err
	}
	for _, u := range []struct {
		pattern string
		command []string // with the package behind it
	}{
		{"*.orig.tar.*", []string{"tar", "-C", full, "--strip-components=1", "--wildcards", "*/src/test/regress", "-xf"}},
		{"postgresql-server-dev-*.deb", []string{"sh", "-c", `dpkg-deb -x "$1" "$0"`, full}},
	} {
		files, err := filepath.Glob(filepath.Join(work, u.pattern))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("%d files are called %s", len(files), u.pattern)
		}
		cmd := exec.CommandContext(ctx, u.command[0], append(u.command[1:], files[0])...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", u.command[0], err, out)
		}
	}
	return os.Rename(full, dir)
}

// aptBeside returns the options with which apt-get keeps all of its own below dir, where the system's sources are made to have both kinds.
func aptBeside(dir string) ([]string, error) {
	lists, cache, parts := filepath.Join(dir, "lists"), filepath.Join(dir, "cache"), filepath.Join(dir, "sources.list.d")
	for _, d := range []string{filepath.Join(lists, "partial"), filepath.Join(cache, "archives/partial"), parts} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	var files []string
	for _, pattern := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"} {
		found, _ := filepath.Glob(pattern) // the patterns are well formed
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(parts, filepath.Base(file)), []byte(withSources(string(text))), 0o644); err != nil {
			return nil, err
		}
	}
	// Root would hand its downloads to another user, who cannot read them here.
	return []string{"-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=" + parts, "-o", "Dir::State::Lists=" + lists,
		"-o", "Dir::Cache=" + cache, "-o", "APT::Sandbox::User=root"}, nil
}

var (
	debLine  = regexp.MustCompile(`(?m)^deb(\s.*)$`)
	debTypes = regexp.MustCompile(`(?m)^Types:.*$`)
)

// withSources adds the source packages to a list of sources, in either of apt's forms.
func withSources(list string) string {
	return debTypes.ReplaceAllString(debLine.ReplaceAllString(list, "deb$1\ndeb-src$1"), "Types: deb deb-src")
}
