package pglocal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// template is a data directory fresh from initdb. It is made once and copied for each server, since initdb takes about
// a second and a copy a tenth of one. It exists as long as any server does.
var template struct {
	sync.Mutex // guards the fields below

	dir  string // "" when there is none
	uses int    // servers that have not stopped
}

// copyTemplate makes target a fresh data directory and returns the template's. After success the caller owes one
// releaseTemplate.
func copyTemplate(ctx context.Context, binDir string, as owner, target string) (string, error) {
	template.Lock()
	defer template.Unlock()
	if template.dir == "" {
		dir, err := initdb(ctx, binDir, as)
		if err != nil {
			return "", err
		}
		template.dir = dir
	}
	template.uses++
	err := os.CopyFS(target, os.DirFS(filepath.Join(template.dir, "data")))
	if err == nil {
		err = os.Chmod(target, 0o700)
	}
	if err != nil {
		releaseTemplateLocked()
		return "", fmt.Errorf("copy a data directory: %w", err)
	}
	return template.dir, nil
}

func releaseTemplate() {
	template.Lock()
	defer template.Unlock()
	releaseTemplateLocked()
}

func releaseTemplateLocked() {
	if template.uses--; template.uses == 0 {
		os.RemoveAll(template.dir)
		template.dir = ""
	}
}

// initdb makes a data directory below a new temporary directory and returns the latter.
func initdb(ctx context.Context, binDir string, as owner) (string, error) {
	dir, err := os.MkdirTemp(scratchRoot(), "overdrive-initdb-")
	if err != nil {
		return "", err
	}
	if err := as.own(dir); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(binDir, "initdb"), "--pgdata", filepath.Join(dir, "data"),
		"--username", Superuser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	cmd.Dir = dir
	as.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return dir, nil
}
