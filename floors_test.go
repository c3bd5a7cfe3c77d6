package overdrive

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
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
		calls := callsWithin(t, room, files)
		if len(calls) < 10 {
			t.Errorf("%s: only %d calls between its files were found", room, len(calls))
		}
		for name := range files {
			if name != "doc.go" && !slices.Contains(p.order, name) {
				t.Errorf("%s: %s is on no floor", room, name)
			}
		}
		if last := len(p.order) - 1; last != len(slices.Compact(slices.Sorted(slices.Values(p.order))))-1 {
			t.Errorf("%s: a file stands on two floors", room)
		}
		for a, example := range calls {
			if slices.Index(p.order, a.from) > slices.Index(p.order, a.to) && p.up[a] == "" {
				t.Errorf("%s: %s calls %s, which is up: %s", room, a.from, a.to, example)
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
// to be called later, wherever they are named.
func callsWithin(t *testing.T, room string, files map[string]*ast.File) map[arrow]string {
	t.Helper()
	exports := make(map[string]string)
	for _, line := range goList(t, "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}", "./"+room) {
		if path, file, ok := strings.Cut(line, " "); ok {
			exports[path] = file
		}
	}
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{
		Error: func(error) {}, // what two systems have of their own is declared twice
		Importer: importer.ForCompiler(positions, "gc", func(path string) (io.ReadCloser, error) {
			return os.Open(exports[path])
		}),
	}
	names := slices.Sorted(maps.Keys(files))
	var list []*ast.File
	for _, name := range names {
		list = append(list, files[name])
	}
	pkg, _ := config.Check("room", positions, list, &info)
	fileOf := func(pos token.Pos) string { return filepath.Base(positions.Position(pos).Filename) }
	calls := make(map[arrow]string)
	for _, name := range names {
		for _, d := range files[name].Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				id, _ := n.(*ast.Ident)
				if called, isFunc := info.Uses[id].(*types.Func); isFunc && called.Pkg() == pkg && fileOf(called.Pos()) != name {
					calls[arrow{name, fileOf(called.Pos())}] = called.Name() + " at " + positions.Position(id.Pos()).String()
				}
				return true
			})
		}
	}
	return calls
}

func TestMachine_StartsNoGoroutineAndReadsNoClock(t *testing.T) {
	for name, f := range parseRoom(t, "proxy/postgres/session") {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", name)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
					t.Errorf("%s calls time.%s", name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// clocks are what package time has for those who do not want to be handed the time.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
