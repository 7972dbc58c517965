package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// named are the files that name a dialect or a driver of these APIs although they are no part
// of it, each for a reason.
var named = map[string]string{
	"app/drivers.go":                                 "the rows of drivers",
	"internal/upstream/cursor/models.go":             "the makers of the models that Cursor serves",
	"internal/upstream/cursor/agent/models/owner.go": "the same of those that it serves today",
	"internal/pricing/names.go":                      "the makers of models, as they are put in front of ids",
	"internal/provider/provider.go":                  "well-known providers, to choose from for a new upstream",
	"internal/foreign/providers.go":                  "which accounts of other gateways a driver can use",
	"internal/web/curl.go":                           "how a logged request is sent again by hand, in the API that its client spoke",
	"internal/dialect/openai/reasoning.go":           "Chat clients bring thinking_blocks, in which only that maker's seals stand",
}

// A dialect and a driver are named in their own folder, and in their row in app.
func TestDialectsAreNamedAtHome(t *testing.T) {
	t.Parallel()
	const root = "../.."
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		path = strings.TrimPrefix(filepath.ToSlash(path), root+"/")
		home := strings.Split(path, "/")
		ast.Inspect(file, func(node ast.Node) bool {
			literal, is := node.(*ast.BasicLit)
			if !is || literal.Value != `"openai"` && literal.Value != `"anthropic"` {
				return true
			}
			if name := strings.Trim(literal.Value, `"`); !slices.Contains(home, name) {
				found[path] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path := range found {
		if named[path] == "" {
			t.Errorf("%s names a dialect or a driver that it is no part of", path)
		}
	}
	for path := range named {
		if !found[path] {
			t.Errorf("%s names none any more", path)
		}
	}
}
