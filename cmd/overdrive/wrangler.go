package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// wranglerBinding is one entry of "hyperdrive" in wrangler.jsonc. wrangler dev connects to its local connection string; the id counts
// where the Worker is deployed.
type wranglerBinding struct {
	Binding string `json:"binding"`
	ID      string `json:"id"`
	Local   string `json:"localConnectionString"`
}

func bindingOf(name, client string) wranglerBinding {
	return wranglerBinding{"HYPERDRIVE", name, client}
}

// wranglerLines are the lines for wrangler.jsonc, indented.
func wranglerLines(name, client string) string {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("  ", "  ")
	_ = out.Encode(map[string]any{"hyperdrive": []wranglerBinding{bindingOf(name, client)}}) // such a value can always be written
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n") // without the braces of the file
}
