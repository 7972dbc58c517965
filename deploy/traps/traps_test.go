package traps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is what a folder's Go files have: their functions and all texts.
type source struct{ functions, texts map[string]bool }

func read(t *testing.T, folder string) source {
	t.Helper()
	found := source{map[string]bool{}, map[string]bool{}}
	files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files (%v)", folder, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.FuncDecl:
				if node.Recv == nil && strings.HasSuffix(name, "_test.go") {
					found.functions[node.Name.Name] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(node.Value); node.Kind == token.STRING && err == nil {
					found.texts[text] = true
				}
			}
			return true
		})
	}
	return found
}

// Each trap has its row, and each test that a row names is there under that name.
func TestEveryTrapIsHeld(t *testing.T) {
	t.Parallel()
	var numbers, want []int
	for n := 1; n <= 76; n++ {
		want = append(want, n)
	}
	sources := map[string]source{}
	for _, group := range Groups {
		for _, trap := range group.Traps {
			numbers = append(numbers, trap.Number)
			if trap.Mistake == "" || trap.Right == "" || len(trap.Held) == 0 {
				t.Errorf("trap %d: its row is not complete", trap.Number)
			}
			for _, test := range trap.Held {
				if _, known := sources[test.Package]; !known {
					sources[test.Package] = read(t, test.Package)
				}
				in := sources[test.Package]
				if !strings.HasPrefix(test.Func, "Test") && !strings.HasPrefix(test.Func, "Fuzz") || !in.functions[test.Func] {
					t.Errorf("trap %d: %s has no test %s", trap.Number, test.Package, test.Func)
				}
				if test.Case != "" && !in.texts[test.Case] {
					t.Errorf("trap %d: %s of %s has no case %q", trap.Number, test.Func, test.Package, test.Case)
				}
			}
		}
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("there are rows of %v, want %v", numbers, want)
	}
}

// The rows become cells of tables.
func TestRowsAreCells(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(string(Document())) {
		if strings.HasPrefix(line, "| ") && strings.Count(line, "|") != 5 {
			t.Errorf("not four cells: %s", line)
		}
	}
}
