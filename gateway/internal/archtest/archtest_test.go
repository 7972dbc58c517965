package archtest_test

import (
	"testing"

	"carousel.internal/proto/archtest"
)

// allowed says what of this module each package may import; `/*` stands for
// every package in a folder. Packages that are not listed may not exist.
var allowed = map[string][]string{
	// The domain: no I/O.
	"internal/chat":     {},
	"internal/upstream": {"internal/ondemand", "internal/chat"},
	"internal/money":    {},
	"internal/caller":   {"internal/pattern"},
	"internal/lease":    {"internal/upstream", "internal/money"},
	"internal/reqlog":   {"internal/chat", "internal/caller", "internal/money", "internal/headerlog"},

	// Leaves that know one thing each.
	"internal/sse":        {"internal/gather"},
	"internal/gather":     {},
	"internal/auth":       {"internal/chat", "internal/caller", "internal/forwarded", "internal/lease", "internal/upstream"},
	"internal/config":     {"internal/forwarded"},
	"internal/forwarded":  {},
	"internal/reqbody":    {"internal/chat"},
	"internal/metrics":    {},
	"internal/spool":      {},
	"internal/accesslog":  {"internal/rawjson"},
	"internal/headerlog":  {"internal/chat"},
	"internal/tokencount": {"internal/chat", "internal/ondemand"},
	"internal/rawjson":    {},
	"internal/pattern":    {},
	"internal/carried":    {"internal/chat", "internal/rawjson"},
	"internal/imagefile":  {},
	"internal/imagefetch": {"internal/imagefile"},
	"internal/archtest":   {},
	"grammar":             {}, // for tests, also those of the deploy module: no package has it in its row

	// Spokes: dialects and drivers meet only in chat.
	"internal/dialect":             {"internal/chat"},
	"internal/dialect/*":           {"internal/chat", "internal/dialect", "internal/rawjson"},
	"internal/dialect/dialecttest": {"internal/chat", "internal/dialect", "grammar"},
	"internal/dialect/callextra":   {"internal/chat", "internal/rawjson"},
	"internal/dialect/objects":     {"internal/chat", "internal/dialect", "internal/rawjson"},
	"internal/dialect/openai":      {"internal/chat", "internal/dialect", "internal/dialect/objects", "internal/rawjson"},
	"internal/dialect/responses": {
		"internal/chat", "internal/dialect", "internal/dialect/callextra", "internal/dialect/objects", "internal/rawjson",
	},
	"internal/dialect/anthropic": {
		"internal/ondemand", "internal/chat", "internal/dialect", "internal/dialect/callextra", "internal/rawjson",
		"internal/tokencount", // the API tells the input's size first
	},
	"internal/upstream/*":      {"internal/chat", "internal/upstream", "internal/upstream/egress", "internal/upstream/eventstream", "internal/upstream/wire", "internal/rawjson", "internal/ondemand"},
	"internal/upstream/http1":  {},
	"internal/upstream/redial": {"internal/upstream/http1"},
	"internal/upstream/egress": {"internal/upstream/redial", "internal/ondemand", "internal/headerlog"},
	"internal/upstream/wire":   {"internal/upstream", "internal/upstream/egress", "internal/upstream/eventstream"},
	"internal/upstream/cursor": {
		"internal/ondemand", "internal/chat", "internal/upstream", "internal/upstream/egress", "internal/imagefile", "internal/imagefetch",
		"internal/upstream/cursor/agent", "internal/upstream/cursor/streamchat", "internal/upstream/cursor/fault", "internal/upstream/cursor/identity",
		"internal/upstream/wire",
	},
	"internal/upstream/cursor/agent/models": {"internal/chat"},
	"internal/upstream/cursor/agent/prompt": {
		"internal/chat", "internal/rawjson", "internal/imagefile", "internal/upstream",
		"internal/upstream/cursor/agent/models", "internal/upstream/cursor/identity",
	},
	"internal/upstream/cursor/fault":    {"internal/ondemand", "internal/upstream", "internal/upstream/wire"},
	"internal/upstream/cursor/identity": {"internal/upstream"},
	"internal/upstream/cursor/streamchat": {
		"internal/chat", "internal/upstream", "internal/upstream/egress", "internal/upstream/wire",
		"internal/upstream/cursor/fault", "internal/upstream/cursor/identity",
	},
	"internal/upstream/cursor/agent": {
		"internal/ondemand", "internal/chat", "internal/rawjson", "internal/upstream", "internal/upstream/egress", "internal/upstream/redial", "internal/upstream/wire",
		"internal/upstream/cursor/fault", "internal/upstream/cursor/identity",
		"internal/upstream/cursor/agent/models", "internal/upstream/cursor/agent/prompt",
	},
	"internal/upstream/upstreamtest": {"internal/chat", "internal/upstream"},

	// The use case, and the store behind it.
	"internal/relay": {
		"internal/chat", "internal/caller", "internal/carried", "internal/upstream", "internal/catalog", "internal/lease", "internal/money", "internal/reqlog",
		"internal/tokencount", "internal/headerlog",
	},
	"internal/catalog": {"internal/chat", "internal/upstream", "internal/pattern"},
	"internal/tokens": {
		"internal/storeerr", "internal/spool", "internal/caller", "internal/chat", "internal/money", "internal/upstream", "internal/lease", "internal/reqlog",
		"internal/idempotency", "internal/remembered", "internal/headerlog",
	},
	"internal/idempotency": {"internal/chat"},
	"internal/remembered":  {},

	// What an upstream tells beside chats.
	"internal/account":    {"internal/chat", "internal/upstream"},
	"internal/errand":     {"internal/upstream", "internal/lease"},
	"internal/tokentest":  {"internal/caller", "internal/chat", "internal/lease", "internal/money", "internal/ondemand", "internal/reqlog", "internal/upstream"},
	"internal/quota":      {},
	"internal/quotaboard": {"internal/quota"},
	"internal/routing":    {"internal/chat", "internal/pattern"},

	// What the edges share.
	"internal/storeerr":   {"internal/chat"},
	"internal/pricing":    {"internal/chat", "internal/money", "internal/pattern", "internal/reqlog", "internal/ondemand", "internal/nullable"},
	"internal/keyform":    {"internal/money", "internal/nullable"},
	"internal/logentry":   {"internal/consequence", "internal/nullable", "internal/money", "internal/spreadsheet"},
	"internal/nullable":   {},
	"internal/news":       {},
	"internal/ondemand":   {},
	"internal/connect":    {"internal/ondemand"},
	"internal/usage":      {"internal/money"},
	"internal/changeset":  {"internal/chat", "internal/keyform", "internal/routing"},
	"internal/tokenform":  {"internal/nullable"},
	"internal/notifyform": {"internal/nullable"},

	"internal/spreadsheet": {},
	"internal/consequence": {},
	"internal/backupform":  {"internal/nullable"},
	"internal/backupcli":   {"internal/backupform"},
	"internal/provider":    {},
	"internal/sqlitefile":  {},
	"internal/foreign":     {"internal/chat", "internal/provider", "internal/sqlitefile"},
	"internal/movein":      {"internal/foreign", "internal/chat", "internal/reqbody", "internal/routing", "internal/storeerr", "internal/upstream"},
	"internal/backup":      {"internal/backupform", "internal/chat", "internal/reqbody", "internal/storeerr"},

	// The edges.
	"internal/httpapi": {
		"internal/chat", "internal/caller", "internal/dialect", "internal/auth", "internal/lease", "internal/sse", "internal/gather", "internal/metrics", "internal/accesslog", "internal/headerlog",
		"internal/idempotency", "internal/remembered", "internal/forwarded", "internal/reqbody", "internal/carried", "internal/keyform",
	},
	"internal/adminapi":  {"internal/tokentest", "internal/spreadsheet", "internal/keyform", "internal/notifyform", "internal/money", "internal/pricing", "internal/quota", "internal/quotaboard", "internal/routing", "internal/nullable", "internal/consequence", "internal/logentry", "internal/storeerr", "internal/chat", "internal/upstream", "internal/usage", "internal/auth", "internal/jsonapi", "internal/tokenform", "internal/backup", "internal/backupform", "internal/changeset", "internal/movein", "internal/ondemand"},
	"internal/mcp":       {"internal/caller", "internal/chat", "internal/jsonapi", "internal/ondemand", "internal/reqbody"}, // it knows the admin API from outside
	"internal/web":       {"internal/foreign", "internal/provider", "internal/tokentest", "internal/caller", "internal/consequence", "internal/keyform", "internal/notifyform", "internal/money", "internal/pricing", "internal/pattern", "internal/quota", "internal/quotaboard", "internal/routing", "internal/storeerr", "internal/chat", "internal/auth", "internal/forwarded", "internal/jsonapi", "internal/connect", "internal/usage", "internal/ondemand", "internal/tokenform", "internal/backup", "internal/backupform", "internal/changeset", "internal/news", "internal/sse"},
	"internal/reference": {"internal/nullable", "internal/logentry", "internal/storeerr", "internal/chat", "internal/auth", "internal/jsonapi"},
	"internal/jsonapi":   {"internal/auth", "internal/chat", "internal/forwarded", "internal/reqbody"},
	"internal/admincli":  {"internal/keyform", "internal/notifyform", "internal/tokenform", "internal/pricing", "internal/logentry", "internal/spreadsheet", "internal/connect", "internal/backupcli", "internal/backupform", "internal/foreign"}, // else it knows the admin API from outside

	"app":         {"internal/*"},
	"cmd/gateway": {"app"},
}

// caged says which packages may import a library, or a package of the proto
// module, that is nobody else's business.
var caged = map[string][]string{
	"github.com/gin-gonic/gin":                  {"internal/httpapi", "internal/adminapi", "internal/web", "internal/reference", "internal/jsonapi", "app"},
	"github.com/klauspost/compress":             {"internal/reqbody"},
	"github.com/prometheus/":                    {"internal/metrics", "app"},
	"github.com/tiktoken-go/tokenizer/codec":    {"internal/tokencount"},
	"filippo.io/age":                            {"internal/backup"},
	"connectrpc.com/":                           {"internal/upstream/*", "app"},
	"github.com/spf13/viper":                    {},
	"github.com/spf13/cobra":                    {"internal/admincli"},
	"github.com/spf13/pflag":                    {"internal/admincli"},
	"go.yaml.in/yaml/":                          {"internal/admincli", "internal/foreign"},
	"golang.org/x/term":                         {"internal/admincli"},
	"google.golang.org/grpc":                    {"internal/storeerr", "internal/consequence", "internal/tokens", "internal/account", "internal/errand", "internal/quotaboard", "internal/routing", "internal/usage", "internal/adminapi", "internal/web", "internal/reference", "internal/jsonapi", "app", "internal/backup", "internal/movein"},
	"carousel.internal/proto/tokenstore/v1":     {"internal/storeerr", "internal/consequence", "internal/keyform", "internal/notifyform", "internal/tokenform", "internal/logentry", "internal/tokens", "internal/account", "internal/errand", "internal/quota", "internal/quotaboard", "internal/routing", "internal/catalog", "internal/adminapi", "internal/web", "internal/reference", "internal/jsonapi", "internal/httpapi", "internal/pricing", "internal/usage", "app", "internal/backup", "internal/backupform", "internal/changeset", "internal/movein"},
	"carousel.internal/proto/rpcerr":            {"internal/storeerr", "internal/tokens", "internal/adminapi", "internal/web", "internal/jsonapi", "app"},
	"carousel.internal/proto/cursor/aiserver/":  {"internal/upstream/*"},
	"carousel.internal/proto/cursor/agent/":     {"internal/upstream/*"},
	"carousel.internal/proto/freeport":          {"internal/upstream/upstreamtest"},
	"carousel.internal/proto/proxysim":          {"internal/upstream/upstreamtest"},
	"carousel.internal/proto/service/conf":      {"internal/config", "app"},
	"carousel.internal/proto/service/certfile":  {"internal/config", "internal/tokens", "app"},
	"carousel.internal/proto/service/authority": {},
	"carousel.internal/proto/service/ops":       {"app"},
	"carousel.internal/proto/service/tracing":   {"internal/config", "internal/httpapi", "internal/relay", "internal/tokens", "internal/upstream/egress", "app"},
	"carousel.internal/proto/valid":             {"internal/adminapi"},
	"go.opentelemetry.io/otel/sdk":              {},
	"go.opentelemetry.io/otel":                  {"internal/httpapi", "internal/relay"},
	"carousel.internal/tokenstore":              {},
	"carousel.internal/deploy":                  {},
	"github.com/openai/openai-go":               {},
	"github.com/anthropics/anthropic-sdk-go":    {},
	"math/rand":                                 {},
}

var table = archtest.Table{Module: "carousel.internal/gateway/", Allowed: allowed, Caged: caged}

func TestImports(t *testing.T) { table.Check(t, "../..") }

// The table must be able to refuse.
func TestTheTableRefuses(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{
		"internal/chat":            "internal/upstream",
		"internal/dialect/openai":  "internal/upstream/openai",
		"internal/upstream/openai": "internal/dialect/openai",
		"internal/relay":           "internal/tokens",
		"internal/httpapi":         "internal/relay",
		"cmd/gateway":              "internal/config",
		"internal/helpers":         "internal/chat",
	} {
		if len(table.Breaches(from, table.Module+to)) == 0 {
			t.Errorf("%s may import %s", from, to)
		}
	}
}
