package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edited returns what becomes of a file that holds text. The file ends in the extension.
func edited(t *testing.T, ext, text string, change func(*Draft) error) (string, error) {
	t.Helper()
	path := writeFile(t, "overdrive"+ext, text)
	_, err := Edit(Options{File: path}, change)
	after, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(after), err
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func addDatabase(d *Draft) error {
	return d.Set(Table{{"url", "postgres://app:x@db/new"}, {"cache", Table{{"enabled", false}, {"max_age", "5s"}}}}, "databases", "new")
}

func setSize(d *Draft) error { return d.Set(5, "databases", "shop", "pool", "size") }

func setURL(d *Draft) error { return d.Set("postgres://app:y@db2/shop", "databases", "shop", "url") }

func removeShop(d *Draft) error { return d.Remove("databases", "shop") }

const head = "auth: {method: trust}\n"

func TestEdit_RefusesWhatWouldChangeOtherKeysToo(t *testing.T) {
	const anchored = head + "databases:\n  shop: &s {url: postgres://app@db/shop, pool: {size: 3}}\n  b: *s\n"
	for name, change := range map[string]func(*Draft) error{"set": setSize, "remove": removeShop} {
		got, err := edited(t, ".yaml", anchored, change)
		if err == nil || !strings.Contains(err.Error(), "databases.shop") || !strings.Contains(err.Error(), "an anchor") || got != anchored {
			t.Errorf("%s: got %v and\n%s", name, err, got)
		}
	}
}

func TestEdit_ChangesNothingIfTheResultWouldBeBad(t *testing.T) {
	const good = head + "databases:\n  shop: {url: postgres://app@db/shop}\n"
	got, err := edited(t, ".yaml", good, func(d *Draft) error {
		return errors.Join(d.Set(0, "databases", "shop", "pool", "size"), d.Set("fast", "databases", "shop", "pool", "mode"))
	})
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || got != good {
		t.Errorf("got %v and\n%s", err, got)
	}
	got, err = edited(t, ".yaml", good, removeShop)
	if err == nil || !strings.Contains(err.Error(), "must name at least one database") || got != good {
		t.Errorf("got %v and\n%s", err, got)
	}
}

func TestEdit_IsNotStoppedByVariablesThatOnlyTheServerHas(t *testing.T) {
	got, err := edited(t, ".yaml", head+"databases:\n  shop: {url: \"postgres://app:${NOT_SET_HERE}@db/shop\"}\n", setSize)
	if err != nil || !strings.Contains(got, "${NOT_SET_HERE}") || !strings.Contains(got, "size: 5") {
		t.Errorf("got %v and\n%s", err, got)
	}
}

func TestEdit_MakesAFileThatOnlyItsOwnerCanRead(t *testing.T) {
	for _, name := range []string{"overdrive.yaml", "overdrive.json"} {
		path := filepath.Join(t.TempDir(), name)
		_, err := Edit(Options{File: path}, func(d *Draft) error {
			return errors.Join(d.Set("trust", "auth", "method"), addDatabase(d))
		})
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		mustLoad(t, Options{File: path})
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Errorf("left in the directory: %v %v", left, err)
		}
	}
}

func TestEdit_WritesThroughALinkAndKeepsTheMode(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "overdrive.yaml")
	if err := os.WriteFile(real, []byte(head+"databases:\n  shop: {url: postgres://app@db/shop}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(real, 0o644), os.Symlink("real.yaml", link)); err != nil {
		t.Fatal(err)
	}
	if _, err := Edit(Options{File: link}, setSize); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "real.yaml" {
		t.Errorf("the link is now %q, %v", to, err)
	}
	info, err := os.Stat(real)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(real); !strings.Contains(string(text), "size: 5") {
		t.Errorf("got\n%s", text)
	}
}

func TestEdit_BeginsAnewIfAnEditorWroteTheFileMeanwhile(t *testing.T) {
	path := writeFile(t, "overdrive.yaml", head+"databases:\n  shop: {url: postgres://app@db/shop}\n")
	calls := 0
	_, err := Edit(Options{File: path}, func(d *Draft) error {
		if calls++; calls == 1 {
			other := head + "databases:\n  shop: {url: postgres://app@db/shop, users: []} # by hand\n"
			if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return setSize(d)
	})
	text, _ := os.ReadFile(path)
	if err != nil || calls != 2 || !strings.Contains(string(text), "by hand") || !strings.Contains(string(text), "size: 5") {
		t.Errorf("%v, %d calls, got\n%s", err, calls, text)
	}
}

func TestEdit_LosesNoneOfManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "overdrive.yaml")
	const many = 30
	errs := make(chan error)
	for i := range many {
		go func() {
			_, err := Edit(Options{File: path}, func(d *Draft) error {
				return errors.Join(d.Set("trust", "auth", "method"),
					d.Set(Table{{"url", "postgres://app@db/x"}}, "databases", strings.Repeat("x", i+1)))
			})
			errs <- err
		}()
	}
	for range many {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if cfg := mustLoad(t, Options{File: path}); len(cfg.Databases) != many {
		t.Errorf("%d of %d edits are left", len(cfg.Databases), many)
	}
}

func TestEdit_OfTheSampleChangesOneEntry(t *testing.T) {
	sample, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "overdrive.yaml", string(sample))
	if _, err := Edit(Options{File: path}, func(d *Draft) error { return errors.Join(addDatabaseOf(d, "app"), setSize(d)) }); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(path)
	var added []string
	rest := string(after)
	for line := range strings.Lines(string(sample)) {
		at := strings.Index("\n"+rest, "\n"+line)
		if at < 0 {
			t.Fatalf("lost %q", line)
		}
		if at > 0 {
			added = append(added, rest[:at])
		}
		rest = rest[at+len(line):]
	}
	if got := strings.Join(append(added, rest), "|"); got != "    pool:\n      size: 5\n|  new:\n    url: postgres://app:x@db/new\n" {
		t.Errorf("added %q", got)
	}
	if _, err := Edit(Options{File: path}, func(d *Draft) error { return d.Remove("databases", "shop") }); err != nil {
		t.Fatal(err)
	}
	after, _ = os.ReadFile(path)
	before, _, _ := strings.Cut(string(sample), "  shop:\n")
	if want := before + "  new:\n    url: postgres://app:x@db/new\n"; string(after) != want {
		t.Errorf("got\n%s\nwant\n%s", after, want)
	}
}

func addDatabaseOf(d *Draft, user string) error {
	return d.Set(Table{{"url", "postgres://" + user + ":x@db/new"}}, "databases", "new")
}

// Whatever the layout is, an edit does what it should, or says that it cannot and does nothing.
func FuzzEdit_DoesWhatItShouldOrNothing(f *testing.F) {
	sample, err := os.ReadFile(sampleFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(sample), "shop", "size")
	f.Add("databases: {shop: {pool: {size: 1,}}, b: &b {x: *b}}\n", "shop", "mode")
	f.Add("databases:\r\n  ? shop\r\n  : pool: |\r\n     x\r\n", "shop", "mode")
	f.Add("databases:\n  shop: !!map {pool: !x &y {\"size\": 'a''b'}}\n", "shop", "size")
	f.Fuzz(func(t *testing.T, text, name, key string) {
		for _, format := range []string{"yaml", "json"} {
			d := &Draft{format: format, text: []byte(text)}
			doc, err := readDocument(format, d.text)
			if err != nil {
				continue
			}
			for _, change := range []func() error{
				func() error { return d.Set("va: l\"u\ne", "databases", name, "pool", key) },
				func() error { return d.Remove("databases", name) },
			} {
				d.text = []byte(text)
				err := change()
				after, readErr := readDocument(format, d.text)
				if readErr != nil {
					t.Fatalf("%q became %q: %v", text, d.text, readErr)
				}
				if err != nil && !sameMeaning(after.meaning, doc.meaning) {
					t.Fatalf("%q became %q in spite of %v", text, d.text, err)
				}
			}
		}
	})
}
