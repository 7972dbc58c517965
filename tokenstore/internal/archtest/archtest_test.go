package archtest_test

import (
	"testing"

	"carousel.internal/proto/archtest"
)

// allowed says what of this module each package may import. Packages that are
// not listed may not exist.
var allowed = map[string][]string{
	// The domain and its rules: no I/O.
	"internal/token":     {},
	"internal/clientkey": {},
	"internal/rotation":  {"internal/token"},
	"internal/files":     {"internal/token"},
	"internal/leasing":   {"internal/rotation", "internal/token"},
	"internal/ledger":    {},

	// Leaves that know one thing each.
	"internal/genfile":      {},
	"internal/seal":         {"internal/genfile"},
	"internal/certificates": {"internal/genfile"},
	"internal/latency":      {},
	"internal/logindex":     {},
	"internal/metrics":      {},
	"internal/testredis":    {},
	"internal/usage":        {},
	"internal/notify":       {},
	"internal/archtest":     {},

	// Redis, and what uses it.
	"internal/redisstore": {"internal/clientkey", "internal/latency", "internal/leasing", "internal/logindex", "internal/notify", "internal/seal", "internal/token", "internal/usage", "internal/ledger"},
	"internal/config":     {"internal/genfile", "internal/notify", "internal/redisstore", "internal/token"},

	"internal/tokenfile": {"internal/files", "internal/redisstore", "internal/token"},
	"internal/backup":    {"internal/clientkey", "internal/notify", "internal/redisstore", "internal/token"},

	// What goes out.
	"internal/courier": {"internal/notify"},

	// The edge.
	"internal/grpcapi": {"internal/backup", "internal/clientkey", "internal/files", "internal/leasing", "internal/notify", "internal/redisstore", "internal/token", "internal/tokenfile", "internal/usage", "internal/ledger"},

	"app": {
		"internal/certificates", "internal/config", "internal/courier", "internal/grpcapi", "internal/leasing", "internal/metrics", "internal/notify", "internal/redisstore", "internal/seal", "internal/token", "internal/tokenfile",
	},
	"cmd/tokenstore": {"app"},
}

// caged says which packages may import a library, or a part of the proto
// module, that is nobody else's business. A path that ends in `/` is a prefix.
var caged = map[string][]string{
	"github.com/redis/go-redis/":                {"internal/redisstore", "internal/testredis", "internal/metrics", "app"},
	"github.com/alicebob/miniredis/":            {"internal/testredis"},
	"github.com/prometheus/":                    {"internal/metrics", "app"},
	"github.com/spf13/":                         {},
	"google.golang.org/grpc":                    {"internal/grpcapi", "internal/metrics", "app"},
	"github.com/klauspost/":                     {"internal/redisstore"},
	"crypto/aes":                                {"internal/seal"},
	"github.com/wneessen/":                      {"internal/courier"},
	"carousel.internal/proto/freeport":          {"internal/testredis"},
	"carousel.internal/proto/service/authority": {"internal/certificates"},
	"carousel.internal/proto/service/certfile":  {"internal/config", "internal/grpcapi", "app"},
	"carousel.internal/proto/service/conf":      {"internal/config", "app"},
	"carousel.internal/proto/service/ops":       {"app"},
	"carousel.internal/proto/service/tracing":   {"internal/config", "internal/grpcapi", "internal/leasing", "internal/redisstore", "app"},
	"carousel.internal/proto/valid":             {"internal/token"},
	"go.opentelemetry.io/otel/sdk":              {},
	"go.opentelemetry.io/otel":                  {"internal/grpcapi", "internal/leasing", "internal/redisstore"},
	"carousel.internal/gateway/":                {},
	"carousel.internal/deploy/":                 {},
	"math/rand":                                 {},
}

var table = archtest.Table{Module: "carousel.internal/tokenstore/", Allowed: allowed, Caged: caged}

func TestImports(t *testing.T) { table.Check(t, "../..") }

// The table must be able to refuse.
func TestTheTableRefuses(t *testing.T) {
	t.Parallel()
	for name, imported := range map[string]string{
		"internal/token":      table.Module + "internal/redisstore",
		"internal/rotation":   "github.com/redis/go-redis/v9",
		"internal/redisstore": "google.golang.org/grpc/status",
		"internal/seal":       "carousel.internal/gateway/internal/chat",
		"internal/files":      "google.golang.org/grpc",
		"internal/leasing":    table.Module + "internal/redisstore",
		"cmd/tokenstore":      table.Module + "internal/config",
		"internal/helpers":    "fmt",
	} {
		if len(table.Breaches(name, imported)) == 0 {
			t.Errorf("%s may import %s", name, imported)
		}
	}
}
