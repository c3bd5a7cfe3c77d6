package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands returns every command that users are told of, by its words: "serve", "completion bash".
func commands() map[string]*cobra.Command {
	all := make(map[string]*cobra.Command)
	var add func(path string, parent *cobra.Command)
	add = func(path string, parent *cobra.Command) {
		for _, cmd := range parent.Commands() {
			if !cmd.Hidden {
				name := strings.TrimSpace(path + " " + cmd.Name())
				all[name] = cmd
				add(name, cmd)
			}
		}
	}
	add("", rootCommand())
	return all
}

func TestMan_HasAPageForEachCommandWithItsFlags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if got := runToEnd(t, "man", dir); got.code != exitDone || got.out+got.errOut != "" {
		t.Fatalf("got %+v", got)
	}
	first, err := os.ReadFile(filepath.Join(dir, "overdrive.1"))
	if err != nil {
		t.Fatal(err)
	}
	all := commands()
	if len(all) < 15 {
		t.Errorf("only %d commands", len(all))
	}
	for name, cmd := range all {
		file := "overdrive-" + strings.ReplaceAll(name, " ", "-")
		page, err := os.ReadFile(filepath.Join(dir, file+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if link := strings.ReplaceAll(file, "-", `\-`); !strings.Contains(name, " ") && !strings.Contains(string(first), link+"(1)") && !strings.Contains(string(first), file+"(1)") {
			t.Errorf("the first page does not name %s", name)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), "--"+f.Name) {
				t.Errorf("the page of %s lacks --%s", name, f.Name)
			}
		})
	}
	if again := runToEnd(t, "man", filepath.Join(dir, "overdrive.1", "x")); again.code != exitFailed {
		t.Errorf("below a file: got %+v", again)
	}
}

func TestCompletion_KnowsEveryCommandInEachShell(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runToEnd(t, "completion", shell); got.code != exitDone || !strings.Contains(got.out, "overdrive") {
			t.Errorf("%s: exit code %d and %d bytes", shell, got.code, len(got.out))
		}
	}
	got := runToEnd(t, "__complete", "") // what the scripts ask
	for name := range commands() {
		if !strings.Contains(name, " ") && !strings.Contains("\n"+got.out, "\n"+name+"\t") {
			t.Errorf("%s is not offered in\n%s", name, got.out)
		}
	}
	if got := runToEnd(t, "__complete", "serve", "--cache-m"); !strings.Contains(got.out, "--cache-memory") {
		t.Errorf("a flag: got %q", got.out)
	}
}
