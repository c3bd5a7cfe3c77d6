package main

import (
	"os"
	"strings"
	"testing"

	"overdrive/config"
)

func TestWrangler_TheExampleHasTheLinesThatCreatePrints(t *testing.T) {
	const example = "../../examples/worker/"
	cfg, problems := config.Load(config.Options{File: example + "overdrive.yaml"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	dsn, err := config.ParseDSN("postgres://app:secret@127.0.0.1:5432/shop")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(example + "wrangler.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	want := wranglerLines("shop", clientDSN(cfg, "shop", dsn, true))
	if !strings.Contains(unspaced(string(text)), unspaced(want)) {
		t.Errorf("wrangler.jsonc lacks\n%s\nit is\n%s", want, text)
	}
}

// unspaced is a text without indentation and ends of lines.
func unspaced(text string) string { return strings.Join(strings.Fields(text), " ") }
