// Package archtest tests a module's architecture: a table says which package may
// import which, and a package that is not in it, or imports what it may not,
// fails the test.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Table is one module's architecture.
type Table struct {
	// Module is the module's path, with a slash at its end.
	Module string
	// Allowed says what of the module each package may import; `/*` at the end
	// stands for every package of a folder. A package's own row counts before
	// that of its folder.
	Allowed map[string][]string
	// Caged says which packages may import a library, or a package of another
	// module, that is nobody else's business. What is in a library's folder is
	// caged with it; a path that ends in a slash is a folder only.
	Caged map[string][]string
}

// Check fails the test with every breach in the module whose folder is root. It
// reads the sources itself: `go test` then knows when its result is stale.
func (table Table) Check(t *testing.T, root string) {
	t.Helper()
	found := packages(t, root)
	for name, imports := range found {
		for _, breach := range table.Breaches(name, imports...) {
			t.Error(breach)
		}
	}
	for name := range table.Allowed {
		if _, exists := found[name]; !exists && !strings.HasSuffix(name, "*") {
			t.Errorf("%s is in the table and does not exist", name)
		}
	}
}

// Breaches answers what is wrong with a package, named relative to the module,
// that has these imports.
func (table Table) Breaches(name string, imports ...string) []string {
	may, listed := table.row(name)
	if !listed {
		return []string{name + " is not in the table: add a row that says what it may import"}
	}
	var breaches []string
	for _, imported := range imports {
		if own, ours := strings.CutPrefix(imported, table.Module); ours && !matches(may, own) {
			breaches = append(breaches, name+" must not import "+own)
		}
		for library, users := range table.Caged {
			if within(imported, library) && !matches(users, name) {
				breaches = append(breaches, name+" must not import "+imported)
			}
		}
	}
	return breaches
}

func (table Table) row(name string) ([]string, bool) {
	if may, listed := table.Allowed[name]; listed {
		return may, true
	}
	for pattern, may := range table.Allowed {
		if matches([]string{pattern}, name) {
			return may, true
		}
	}
	return nil, false
}

// within tells whether the import is the library or a part of it. A path without
// a dot is of the standard library, where math/rand/v2 is no part of math/rand.
func within(imported, library string) bool {
	if strings.HasSuffix(library, "/") {
		return strings.HasPrefix(imported, library)
	}
	return imported == library || strings.Contains(library, ".") && strings.HasPrefix(imported, library+"/")
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || wild && strings.HasPrefix(name, folder)
	})
}

// packages answers what each package imports, tests left out.
func packages(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		name := filepath.ToSlash(folder)
		found[name] = append(found[name], "") // also a package without imports exists
		for _, spec := range file.Imports {
			found[name] = append(found[name], strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("reading the module's sources: %v, %d packages", err, len(found))
	}
	return found
}
