package overdrive

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// storeyed are the rooms whose doc.go puts their files on floors.
var storeyed = []string{"proxy", "proxy/postgres", "proxy/postgres/catalog", "proxy/postgres/session"}

// An arrow is a call from one file of a room to another.
type arrow struct{ from, to string }

// A plan is what a doc.go says of the floors of its room.
type plan struct {
	order []string         // of the files, from the top
	up    map[arrow]string // calls that go up, each with its reason
}

func TestFloors_CallsGoDown(t *testing.T) {
	for _, room := range storeyed {
		files := parseRoom(t, room)
		p := planOf(t, room)
		calls := callsWithin(files)
		if len(calls) < 10 {
			t.Errorf("%s: only %d calls between its files were found", room, len(calls))
		}
		for name := range files {
			if name != "doc.go" && !slices.Contains(p.order, name) {
				t.Errorf("%s: %s is on no floor", room, name)
			}
		}
		for a, example := range calls {
			if slices.Index(p.order, a.from) > slices.Index(p.order, a.to) && p.up[a] == "" {
				t.Errorf("%s: %s calls %s, up from %s", room, a.from, a.to, example)
			}
		}
		for a := range p.up {
			if _, used := calls[a]; !used || slices.Index(p.order, a.from) < slices.Index(p.order, a.to) {
				t.Errorf("%s: no call goes up from %s to %s, so doc.go need not give a reason", room, a.from, a.to)
			}
		}
		for _, name := range p.order {
			if files[name] == nil {
				t.Errorf("%s: there is no %s", room, name)
			}
		}
	}
}

// parseRoom returns the files of a package but its tests, by name, for whatever system they are.
func parseRoom(t *testing.T, room string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", room, len(paths), err)
	}
	files := make(map[string]*ast.File)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(positions, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = f
	}
	return files
}

var positions = token.NewFileSet()

// planOf reads the floors out of a doc.go: indented lines that name files, and those with an arrow, which have a reason.
func planOf(t *testing.T, room string) plan {
	t.Helper()
	p := plan{up: make(map[arrow]string)}
	text := parseRoom(t, room)["doc.go"].Doc.Text()
	_, text, found := strings.Cut(text, "The files stand on floors.")
	if !found {
		t.Fatalf("%s/doc.go names no floors", room)
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case !strings.HasPrefix(line, "\t") || len(words) == 0:
		case len(words) > 3 && words[1] == "→":
			p.up[arrow{words[0], words[2]}] = strings.Join(words[3:], " ")
		default:
			for _, word := range words {
				if strings.HasSuffix(word, ".go") {
					p.order = append(p.order, word)
				}
			}
		}
	}
	return p
}

// callsWithin returns the calls between files of a package, each with an example: its functions and methods that are called, or named
// to be called later. What other packages declare is not known here, and need not be.
func callsWithin(files map[string]*ast.File) map[arrow]string {
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Error: func(error) {}, Importer: nobody{}, FakeImportC: true}
	pkg, _ := config.Check("room", positions, slices.Collect(maps.Values(files)), &info)
	fileOf := func(pos token.Pos) string { return filepath.Base(positions.Position(pos).Filename) }
	calls := make(map[arrow]string)
	for name, f := range files {
		for _, d := range f.Decls {
			caller, isFunc := d.(*ast.FuncDecl)
			if !isFunc {
				continue
			}
			ast.Inspect(caller, func(n ast.Node) bool {
				id, _ := n.(*ast.Ident)
				if called, isFunc := info.Uses[id].(*types.Func); isFunc && called.Pkg() == pkg && fileOf(called.Pos()) != name {
					calls[arrow{name, fileOf(called.Pos())}] = caller.Name.Name + " to " + called.Name()
				}
				return true
			})
		}
	}
	return calls
}

// nobody imports packages with nothing in them.
type nobody struct{}

func (nobody) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	p.MarkComplete()
	return p, nil
}
