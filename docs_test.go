package overdrive

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns every page of the documentation by its path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/decisions/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	if len(all) < 40 {
		t.Errorf("only %d pages were found", len(all))
	}
	return all
}

// anchors returns what links may name in a page: its headings, as they are on a web page.
func anchors(text string) map[string]bool {
	all := make(map[string]bool)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		all[strings.ReplaceAll(name, " ", "-")] = true
	}
	return all
}

func TestDocs_EveryLinkLeadsSomewhere(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(link[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s has no heading for #%s", page, target, anchor)
			}
		}
	}
	for page := range all {
		if strings.Count(page, "/") == 1 && !strings.Contains(all["README.md"], "("+page+")") && !linkedBelow(all, page) {
			t.Errorf("no page links %s", page)
		}
	}
}

func linkedBelow(all map[string]string, page string) bool {
	for other, text := range all {
		if other != page && strings.Contains(text, "("+filepath.Base(page)) {
			return true
		}
	}
	return false
}

// What is between backquotes and looks like a place in the project, a target of make, or a command of the console, must be one. Decisions
// are history.
func TestDocs_EveryPlaceTargetAndCommandIsThere(t *testing.T) {
	all := pages(t)
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	console := all["docs/operations.md"]
	place := regexp.MustCompile("`((?:examples|docs|scripts|cmd|proxy|config|pool|querycache)/[a-zA-Z0-9_/.-]+)`")
	target := regexp.MustCompile("(?m)(?:`|^)make ([a-z-]+)")
	elsewhere := map[string]bool{"proxy/mysql": true, "installcheck-parallel": true} // planned; PostgreSQL's own
	show := regexp.MustCompile("`SHOW ([A-Z]+)`")
	for page, text := range all {
		if strings.HasPrefix(page, "docs/decisions/") || page == "docs/plan.md" {
			continue
		}
		for _, m := range place.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(m[1]); err != nil && !elsewhere[m[1]] {
				t.Errorf("%s: %v", page, err)
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^`+m[1]+`:`).Match(makefile) && !elsewhere[m[1]] {
				t.Errorf("%s: there is no make %s", page, m[1])
			}
		}
		for _, m := range show.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile("`(SHOW )?" + m[1] + "`").MatchString(console) {
				t.Errorf("%s: docs/operations.md has no SHOW %s", page, m[1])
			}
		}
	}
}

// The page on incidents names columns of the console and lines of the log.
func TestDocs_IncidentsNameWhatThereIs(t *testing.T) {
	text := pages(t)["docs/incidents.md"]
	for _, column := range []string{"cl_waiting", "sv_active", "cl_pinned", "pinned", "agrees", "would_hit_ratio"} {
		if strings.Contains(text, "`"+column+"`") && !sourcesSay(t, "proxy/admin", column) {
			t.Errorf("the console has no column %s", column)
		}
	}
	lines := regexp.MustCompile("\\| the log \\| `([a-z][a-z ,]{15,})`").FindAllStringSubmatch(text, -1)
	if len(lines) < 3 {
		t.Errorf("only %d lines of the log were found", len(lines))
	}
	for _, line := range lines {
		start, _, _ := strings.Cut(line[1], ",") // what comes then depends
		found := false
		for _, room := range []string{"cmd/overdrive", "proxy", "proxy/postgres", "proxy/postgres/catalog"} {
			found = found || sourcesSay(t, room, `"`+start)
		}
		if !found {
			t.Errorf("nobody logs %q", line[1])
		}
	}
}

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
