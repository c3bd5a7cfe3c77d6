package admin

import (
	"os"
	"strings"
	"testing"
)

// The table of commands has each command of SHOW HELP, with its privilege, and no other.
func TestDocs_TheTableOfCommandsIsThatOfHelp(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## The console\n")
	section, _, _ = strings.Cut(section, "\n\nThe commands that PgBouncer has")
	documented := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(section, `\|`, "or")) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for i, part := range strings.Split(cells[1], "`") {
			if i%2 == 1 {
				documented[part] = strings.TrimSpace(cells[2])
			}
		}
	}
	for _, c := range commands() {
		operands := strings.TrimSpace(strings.ReplaceAll(strings.TrimSuffix(c.operands, inDatabase), "|", "or"))
		name := strings.TrimSpace(c.name() + " " + operands)
		privilege, found := documented[name]
		refused := privilege == "" && strings.HasPrefix(c.meaning, "refused")
		set := c.verb == "set" && privilege == string(adminOnly) // but for what drivers set unasked
		if !found || privilege != string(c.privilege) && !refused && !set {
			t.Errorf("%s: documented %v, with privilege %q, want %q", name, found, privilege, c.privilege)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented, and no command", name)
	}
}

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
