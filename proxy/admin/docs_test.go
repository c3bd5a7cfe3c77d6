package admin

import (
	"os"
	"strings"
	"testing"
)

func TestDocs_EveryColumnOfTheCacheHasAMeaning(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for title, columns := range map[string][]column{"SHOW CACHE": cacheColumns, "SHOW QUERIES": queryColumns, "SHOW ADVICE": adviceColumns} {
		_, section, found := strings.Cut(string(text), "### "+title+"\n")
		if !found {
			t.Fatalf("no section on %s", title)
		}
		section, _, _ = strings.Cut(section, "\n#")
		documented := map[string]bool{}
		for line := range strings.Lines(section) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				continue
			}
			for i, part := range strings.Split(cells[1], "`") {
				documented[part] = documented[part] || i%2 == 1
			}
		}
		for _, c := range columns {
			if !documented[c.name] {
				t.Errorf("%s: the column %q is not in the table", title, c.name)
			}
		}
		if len(columns) == 0 {
			t.Errorf("%s has no columns", title)
		}
	}
}
