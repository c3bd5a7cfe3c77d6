package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"overdrive/config"
)

// pages returns the pages of the documentation for users, by their names in it. Decisions are history.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	all := make(map[string]string)
	for _, name := range append(files, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(text)
	}
	return all
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns what stands between fences of one of the kinds.
func blocks(text string, kinds ...string) (found []string) {
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		if slices.Contains(kinds, block[1]) {
			found = append(found, block[2])
		}
	}
	return found
}

// spans returns what stands between single backquotes outside of blocks.
func spans(text string) (found []string) {
	for _, span := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		found = append(found, span[1])
	}
	return found
}

func TestDocs_EveryCommandIsUnderstood(t *testing.T) {
	seen := 0
	for page, text := range pages(t) {
		for _, block := range blocks(text, "", "sh") {
			block = strings.ReplaceAll(block, "\\\n", " ")
			for line := range strings.Lines(block) {
				line = strings.TrimPrefix(strings.TrimSpace(line), "./")
				if strings.HasPrefix(line, "overdrive ") && !strings.ContainsAny(line, "│[") {
					t.Run(page, func(t *testing.T) { parseCommand(t, line) })
					seen++
				}
			}
		}
		for _, span := range spans(text) {
			if words := shellWords(span); len(words) > 1 && words[0] == "overdrive" && !strings.Contains(span, "…") {
				cmd, rest, err := rootCommand().Find(words[1:])
				if err == nil {
					err = cmd.ParseFlags(rest)
				}
				if err != nil {
					t.Errorf("%s: %s: %v", page, span, err)
				}
				seen++
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were found", seen)
	}
}

func TestDocs_EveryConfigurationIsGood(t *testing.T) {
	for _, name := range []string{"DB_PASSWORD", "APP_PASSWORD", "APP_SECRET"} {
		t.Setenv(name, "secret")
	}
	beside := newAuthority(t) // whose files the configurations name
	beside.sign("server", &x509.Certificate{})
	path := beside.file("overdrive.yaml")
	seen := 0
	for page, text := range pages(t) {
		for _, block := range blocks(text, "yaml") {
			seen++
			if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			_, problems := config.Load(config.Options{File: path, Environment: true})
			if len(problems) > 0 {
				t.Errorf("%s: %v in\n%s", page, problems, block)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d configurations were found", seen)
	}
}

func TestDocs_EveryKeyAndVariableIsKnown(t *testing.T) {
	keys := config.Keys()
	tops := make(map[string]bool)
	for _, key := range keys {
		top, _, _ := strings.Cut(strings.TrimPrefix(key, "databases.<name>."), ".")
		tops[top] = true
	}
	known := func(key string) bool {
		return slices.ContainsFunc(keys, func(k string) bool {
			k = strings.TrimPrefix(k, "databases.<name>.")
			return k == key || strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[")
		})
	}
	ofTests := []string{"plan.md", "benchmarks.md", "checklist.md", "consistency.md", "drivers.md", "session-state.md", "suites.md"}
	variables := []string{envConfig, envConnectionString, envConnectionStringFile}
	for _, key := range keys {
		variables = append(variables, "OVERDRIVE_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_")))
	}
	dotted := regexp.MustCompile(`^([a-z_]+)(\.[a-z_]+)+$`)
	variable := regexp.MustCompile(`OVERDRIVE_[A-Z_]+`)
	for page, text := range pages(t) {
		for _, span := range spans(text) {
			key, _, _ := strings.Cut(span, ":")
			if m := dotted.FindStringSubmatch(key); m != nil && tops[m[1]] && !known(key) && !strings.HasSuffix(key, ".go") {
				t.Errorf("%s: %s is no key", page, key)
			}
			for _, name := range variable.FindAllString(span, -1) {
				if !slices.Contains(variables, name) && !slices.Contains(ofTests, page) {
					t.Errorf("%s: %s is no variable", page, name)
				}
			}
		}
	}
}

// parseCommand wants a command line of the program to be understood: the command, its flags and the number of its arguments.
func parseCommand(t *testing.T, line string) {
	t.Helper()
	words := shellWords(line)
	cmd, rest, err := rootCommand().Find(words[1:])
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// shellWords splits a line as a shell does, as far as the documentation needs it: quotes, comments, and the end of a command.
func shellWords(line string) (words []string) {
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == ' ':
			end()
		case !begun && strings.ContainsRune("#<>|&;", c):
			return words
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	end()
	return words
}
