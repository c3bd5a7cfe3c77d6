package overdrive

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestDocs_TheChecklistHasEachCaseThatIsTestedAndNoOther(t *testing.T) {
	text, err := os.ReadFile("docs/checklist.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+) \|.*\|$`).FindAllStringSubmatch(string(text), -1) {
		if listed[row[1]] {
			t.Errorf("%s is listed twice", row[1])
		}
		listed[row[1]] = true
	}
	tested := make(map[string]bool)
	test := regexp.MustCompile(`(?m)^func TestChecklist_([A-Z]\d+)_`)
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range test.FindAllSubmatch(source, -1) {
			tested[string(name[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range tested {
		if !listed[id] {
			t.Errorf("%s is tested and not listed", id)
		}
	}
	for id := range listed {
		if !tested[id] {
			t.Errorf("%s is listed and not tested", id)
		}
	}
	if len(listed) < 100 {
		t.Errorf("%d cases are listed: has the table another form now?", len(listed))
	}
}
