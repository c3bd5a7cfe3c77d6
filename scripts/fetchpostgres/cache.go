package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A cache is the directory that releases are unpacked into, each below its own name. A release that is there is whole.
type cache struct{ root string }

// newCache returns the cache of a user, by what the environment calls the directory of caches.
func newCache(uid int, xdg string) (cache, error) {
	parent := xdg
	switch {
	case xdg != "" && !filepath.IsAbs(xdg):
		return cache{}, fmt.Errorf("XDG_CACHE_HOME is %q, which is no absolute path", xdg)
	case xdg != "":
	case uid == 0:
		parent = "/var/cache"
	default:
		var err error
		if parent, err = os.UserCacheDir(); err != nil {
			return cache{}, fmt.Errorf("there is nowhere to put it: %w", err)
		}
	}
	return cache{filepath.Join(parent, "overdrive", "postgresql")}, nil
}

// find returns the directory of the programs of a release, if it is there.
func (c cache) find(r release) (string, bool) {
	bin := filepath.Join(c.root, r.name(), "bin")
	_, err := os.Stat(filepath.Join(bin, "initdb"))
	return bin, err == nil
}

// add unpacks an archive and returns the directory of its programs. It is there under its name only when it is whole and its programs run.
func (c cache) add(r release, archive []byte) (string, error) {
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(c.root, "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	if err := errors.Join(os.Chmod(unfinished, 0o755), unpack(archive, unfinished)); err != nil {
		return "", fmt.Errorf("unpack: %w", err)
	}
	for _, program := range []string{"initdb", "postgres"} {
		if out, err := exec.Command(filepath.Join(unfinished, "bin", program), "--version").CombinedOutput(); err != nil {
			return "", fmt.Errorf("its %s does not run here: %w: %s", program, err, strings.TrimSpace(string(out)))
		}
	}
	err = os.Rename(unfinished, filepath.Join(c.root, r.name()))
	if bin, ok := c.find(r); ok { // also if somebody else has been faster
		return bin, nil
	}
	return "", err
}
