package archtest_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "carousel.internal/tokenstore/"

// allowed says what of this module each package may import. Packages that are
// not listed may not exist.
var allowed = map[string][]string{
	// The domain and its rules: no I/O.
	"internal/token":    {},
	"internal/rotation": {},
	"internal/files":    {"internal/token"},

	// Leaves that know one thing each.
	"internal/genfile":   {},
	"internal/seal":      {"internal/genfile"},
	"internal/latency":   {},
	"internal/logindex":  {},
	"internal/metrics":   {},
	"internal/testredis": {},
	"internal/archtest":  {},

	// Redis, and what uses it.
	"internal/redisstore": {"internal/latency", "internal/logindex", "internal/seal", "internal/token"},
	"internal/leasing":    {"internal/redisstore", "internal/rotation"},
	"internal/config":     {"internal/genfile", "internal/redisstore", "internal/token"},

	// The edge.
	"internal/grpcapi": {"internal/files", "internal/leasing", "internal/redisstore", "internal/token"},

	"app": {
		"internal/config", "internal/grpcapi", "internal/leasing", "internal/metrics", "internal/redisstore", "internal/seal", "internal/token",
	},
	"cmd/tokenstore": {"app"},
}

// caged says which packages may import a library, or a part of the proto
// module, that is nobody else's business. A path that ends in `/` is a prefix.
var caged = map[string][]string{
	"github.com/redis/go-redis/":           {"internal/redisstore", "internal/testredis", "internal/metrics", "app"},
	"github.com/alicebob/miniredis/":       {"internal/testredis"},
	"github.com/prometheus/":               {"internal/metrics", "app"},
	"github.com/spf13/":                    {},
	"google.golang.org/grpc":               {"internal/grpcapi", "app"},
	"google.golang.org/grpc/":              {"internal/grpcapi", "internal/metrics", "app"},
	"crypto/aes":                           {"internal/seal"},
	"carousel.internal/proto/service/conf": {"internal/config", "app"},
	"carousel.internal/proto/service/ops":  {"app"},
	"carousel.internal/gateway/":           {},
	"carousel.internal/deploy/":            {},
	"math/rand":                            {},
}

// breaches are the imports of a package that its row does not allow.
func breaches(name string, imports []string) []string {
	may, listed := allowed[name]
	if !listed {
		return []string{name + " is not in the table: add a row that says what it may import"}
	}
	var found []string
	for _, imported := range imports {
		if own, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(may, own) {
			found = append(found, name+" must not import "+own)
		}
		for library, users := range caged {
			within := imported == library || strings.HasSuffix(library, "/") && strings.HasPrefix(imported, library)
			if within && !slices.Contains(users, name) {
				found = append(found, name+" must not import "+imported)
			}
		}
	}
	return found
}

func TestImports(t *testing.T) {
	t.Parallel()
	found := packages(t)
	for name, imports := range found {
		for _, breach := range breaches(name, imports) {
			t.Error(breach)
		}
	}
	for name := range allowed {
		if _, exists := found[name]; !exists {
			t.Errorf("%s is in the table and does not exist", name)
		}
	}
}

// The test must be able to fail.
func TestTheTableRefuses(t *testing.T) {
	t.Parallel()
	for name, imported := range map[string]string{
		"internal/token":      module + "internal/redisstore",
		"internal/rotation":   "github.com/redis/go-redis/v9",
		"internal/redisstore": "google.golang.org/grpc/status",
		"internal/seal":       "carousel.internal/gateway/internal/chat",
		"internal/leasing":    "google.golang.org/grpc",
		"cmd/tokenstore":      module + "internal/config",
		"internal/helpers":    "fmt",
	} {
		if len(breaches(name, []string{imported})) == 0 {
			t.Errorf("%s may import %s", name, imported)
		}
	}
}

// packages answers what each package of the module imports, tests left out. It
// reads the sources itself, so that a cached result of the test is never stale.
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
		name := filepath.ToSlash(folder)
		found[name] = append(found[name], "") // also a package without imports exists
		for _, spec := range file.Imports {
			found[name] = append(found[name], strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
