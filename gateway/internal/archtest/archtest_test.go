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

const module = "carousel.internal/gateway/"

// allowed says what of this module each package may import; `/*` stands for
// every package in a folder. Packages that are not listed may not exist.
var allowed = map[string][]string{
	// The domain: no I/O.
	"internal/chat":     {},
	"internal/upstream": {"internal/chat"},
	"internal/lease":    {"internal/upstream"},
	"internal/reqlog":   {"internal/chat"},

	// Leaves that know one thing each.
	"internal/sse":        {},
	"internal/auth":       {"internal/chat", "internal/lease", "internal/upstream"},
	"internal/config":     {},
	"internal/metrics":    {},
	"internal/accesslog":  {},
	"internal/tokencount": {"internal/chat"},
	"internal/rawjson":    {},
	"internal/imagefile":  {},
	"internal/imagefetch": {"internal/imagefile"},
	"internal/archtest":   {},

	// Spokes: dialects and drivers meet only in chat.
	"internal/dialect/*":  {"internal/chat", "internal/rawjson"},
	"internal/upstream/*": {"internal/chat", "internal/upstream", "internal/rawjson"},
	"internal/upstream/cursor": {
		"internal/chat", "internal/upstream", "internal/imagefile", "internal/imagefetch",
	},
	"internal/upstream/upstreamtest": {"internal/chat", "internal/upstream"},

	// The use case, and the store behind it.
	"internal/relay": {
		"internal/chat", "internal/upstream", "internal/catalog", "internal/lease", "internal/reqlog", "internal/tokencount",
		"internal/metrics",
	},
	"internal/catalog": {"internal/chat", "internal/upstream"},
	"internal/tokens": {
		"internal/chat", "internal/upstream", "internal/lease", "internal/reqlog", "internal/metrics",
	},

	// The edges.
	"internal/httpapi": {
		"internal/chat", "internal/dialect/*", "internal/auth", "internal/lease", "internal/sse", "internal/metrics", "internal/accesslog",
	},
	"internal/adminapi": {"internal/chat", "internal/upstream", "internal/auth"},
	"internal/admincli": {}, // it knows the admin API from outside

	"app":         {"internal/*"},
	"cmd/gateway": {"app"},
}

// caged says which packages may import a library, or a package of the proto
// module, that is nobody else's business.
var caged = map[string][]string{
	"github.com/gin-gonic/gin":                 {"internal/httpapi", "internal/adminapi", "app"},
	"github.com/prometheus/":                   {"internal/metrics", "app"},
	"github.com/tiktoken-go/tokenizer":         {"internal/tokencount"},
	"connectrpc.com/":                          {"internal/upstream/*", "app"},
	"github.com/spf13/viper":                   {},
	"google.golang.org/grpc":                   {"internal/tokens", "internal/adminapi", "app"},
	"carousel.internal/proto/tokenstore/v1":    {"internal/tokens", "internal/catalog", "internal/adminapi", "internal/httpapi", "app"},
	"carousel.internal/proto/rpcerr":           {"internal/tokens", "internal/adminapi", "app"},
	"carousel.internal/proto/cursor/aiserver/": {"internal/upstream/*"},
	"carousel.internal/proto/service/conf":     {"internal/config", "app"},
	"carousel.internal/proto/service/ops":      {"app"},
	"carousel.internal/tokenstore":             {},
	"carousel.internal/deploy":                 {},
	"github.com/openai/openai-go":              {},
	"math/rand":                                {},
}

func TestImports(t *testing.T) {
	t.Parallel()
	for path, imports := range packages(t) {
		name := strings.TrimPrefix(path, module)
		may, listed := rowOf(name)
		if !listed {
			t.Errorf("%s is not in the table: add a row that says what it may import", name)
			continue
		}
		for _, imported := range imports {
			if own, ours := strings.CutPrefix(imported, module); ours && !matches(may, own) {
				t.Errorf("%s must not import %s", name, own)
			}
			for library, users := range caged {
				if within(imported, library) && !matches(users, name) {
					t.Errorf("%s must not import %s", name, imported)
				}
			}
		}
	}
}

// within tells whether the import is the library or, for a library with a path
// of its own, a part of it.
func within(imported, library string) bool {
	if strings.HasSuffix(library, "/") {
		return strings.HasPrefix(imported, library)
	}
	return imported == library || (strings.Contains(library, ".") && strings.HasPrefix(imported, library+"/"))
}

// rowOf answers a package's own row, else that of its folder.
func rowOf(name string) ([]string, bool) {
	if may, listed := allowed[name]; listed {
		return may, true
	}
	for pattern, may := range allowed {
		if matches([]string{pattern}, name) {
			return may, true
		}
	}
	return nil, false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, wild := strings.CutSuffix(pattern, "*")
		return name == pattern || (wild && strings.HasPrefix(name, folder))
	})
}

// packages answers what each package of the module imports, tests left out. It
// reads the sources itself: `go test` then knows when its cached result is stale.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	const root = "../.."
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
		name := module + filepath.ToSlash(folder)
		found[name] = append(found[name], importsOf(file)...)
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("reading the module's sources: %v, %d packages", err, len(found))
	}
	return found
}

func importsOf(file *ast.File) []string {
	var imports []string
	for _, spec := range file.Imports {
		imports = append(imports, strings.Trim(spec.Path.Value, `"`))
	}
	return imports
}

// The test must be able to fail.
func TestTheTableRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to string }{
		{"internal/chat", "internal/upstream"},
		{"internal/dialect/openai", "internal/upstream/openai"},
		{"internal/upstream/openai", "internal/dialect/openai"},
		{"internal/relay", "internal/tokens"},
		{"internal/httpapi", "internal/relay"},
		{"cmd/gateway", "internal/config"},
	} {
		may, listed := rowOf(c.from)
		if !listed || matches(may, c.to) {
			t.Errorf("%s may import %s", c.from, c.to)
		}
	}
	if _, listed := rowOf("internal/helpers"); listed {
		t.Error("any package may exist")
	}
}
