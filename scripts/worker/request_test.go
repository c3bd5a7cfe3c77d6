package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestAnswer_SaysWhatBecameOfTheRead(t *testing.T) {
	for _, c := range []struct {
		answer answer
		want   string
	}{
		{answer{code: http.StatusOK, status: "hit"}, "hit"},
		{answer{code: http.StatusOK, status: "volatile", reason: "random()"}, "volatile, random()"},
		{answer{code: http.StatusOK}, "without a status"},
		{answer{code: http.StatusNotFound, body: "no such game"}, "404 no such game"},
	} {
		if got := c.answer.verdict(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := (answer{code: http.StatusConflict, body: "[]"}).into(new([]score)); err == nil {
		t.Error("an answer that is no success is read as one")
	}
}

func TestExample_HasExactVersions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("../..", where, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Dependencies, DevDependencies map[string]string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	exact := regexp.MustCompile(`^\d+\.\d+\.\d+$`)
	for _, all := range []map[string]string{manifest.Dependencies, manifest.DevDependencies} {
		if len(all) == 0 {
			t.Error("nothing is listed")
		}
		for name, version := range all {
			if !exact.MatchString(version) {
				t.Errorf("%s has version %s", name, version)
			}
		}
	}
}
