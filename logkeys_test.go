package overdrive

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whoever searches the log goes by its keys: those that the program writes and those of the documentation are the same.
func TestLog_KeysAreThoseOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Log\n")
	if !ok {
		t.Fatal("docs/operations.md has no section about the log")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(section, -1) {
		documented[row[1]] = true
	}
	written := writtenKeys(t)
	if len(written) < 20 {
		t.Fatalf("only %d keys were found in the sources", len(written))
	}
	for key, where := range written {
		if !documented[key] {
			t.Errorf("%s: the key %q is not in docs/operations.md", where, key)
		}
	}
	for key := range documented {
		if written[key] == "" {
			t.Errorf("docs/operations.md has the key %q, which nothing writes", key)
		}
	}
}

// writtenKeys finds the keys of log lines in the sources of the program, and one place for each.
func writtenKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := make(map[string]string)
	files := token.NewFileSet()
	for _, root := range []string{"cmd/overdrive", "proxy", "pool", "querycache"} {
		err := fs.WalkDir(os.DirFS("."), root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && (d.Name() == "proxytest" || d.Name() == "testdata") {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					for _, key := range keysOf(call) {
						keys[key] = files.Position(call.Pos()).String()
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// keysOf returns the keys that a call writes: slog.String("key", …), log.Info("message", "key", …) and their kin.
func keysOf(call *ast.CallExpr) (keys []string) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	if of, ok := method.X.(*ast.Ident); ok && of.Name == "slog" {
		if slices.Contains([]string{"String", "Int", "Int64", "Uint64", "Bool", "Duration", "Float64", "Any", "Time", "Group"}, method.Sel.Name) {
			return literals(call.Args[:1])
		}
		return nil
	}
	if !isLogger(method.X) {
		return nil
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
		return literals(pairs(call.Args[1:]))
	case "Log":
		return literals(pairs(call.Args[3:]))
	case "With":
		return literals(pairs(call.Args))
	}
	return nil
}

// isLogger tells a logger by its name.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "log") || strings.EqualFold(x.Name, "logger")
	case *ast.SelectorExpr:
		return isLogger(x.Sel)
	case *ast.CallExpr:
		return isLogger(x.Fun)
	}
	return false
}

// pairs returns the keys among keys and values; an attribute stands for both.
func pairs(args []ast.Expr) (keys []ast.Expr) {
	for i := 0; i < len(args); i++ {
		if _, attribute := args[i].(*ast.CallExpr); !attribute {
			keys = append(keys, args[i])
			i++
		}
	}
	return keys
}

func literals(exprs []ast.Expr) (found []string) {
	for _, x := range exprs {
		if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
			key, _ := strconv.Unquote(l.Value)
			found = append(found, key)
		}
	}
	return found
}
