package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// installLimit bounds one command.
const installLimit = 10 * time.Minute

// installed is kept where npm ci begins by removing it, and has the text of the lock file that was installed.
const installed = where + "/node_modules/.installed"

// install fetches the exact versions of the lock file. It returns why they cannot be had on this machine.
func install(ctx context.Context) error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not in PATH", program)
		}
	}
	lock, err := os.ReadFile(filepath.Join(where, "package-lock.json"))
	if err != nil {
		return err
	}
	if done, err := os.ReadFile(installed); err == nil && string(done) == string(lock) {
		return nil
	}
	if err := shell(ctx, "npm ci --ignore-scripts --no-audit --no-fund"); err != nil {
		return err
	}
	// wrangler and its workerd are programs of this kind of machine: the first wants a version of Node.js, the second a C library.
	for _, program := range []string{"wrangler", "workerd"} {
		if err := shell(ctx, "WRANGLER_HIDE_BANNER=true node_modules/.bin/"+program+" --version"); err != nil {
			return err
		}
	}
	return os.WriteFile(installed, lock, 0o644)
}

// shell runs a command in the example's folder. Its error is one line long.
func shell(ctx context.Context, command string) error {
	ctx, stop := context.WithTimeout(ctx, installLimit)
	defer stop()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = where
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	progress("%s\n%s", command, out)
	text := strings.TrimSpace(string(out))
	return fmt.Errorf("%s: %w: %s", command, err, text[strings.LastIndexByte(text, '\n')+1:])
}
