package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/tokenstore/internal/config"
	"carousel.internal/tokenstore/internal/redisstore"
)

const sharedSecret = "0123456789abcdef"

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, set := pairs[name]; return value, set }
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsNeedOnlyTheSecret(t *testing.T) {
	t.Parallel()
	got, err := config.Load("", environment(map[string]string{"TOKENSTORE_SECRET": sharedSecret}))
	if err != nil {
		t.Fatal(err)
	}
	if got.GRPCAddr != ":7070" || got.OpsAddr != "127.0.0.1:9091" || got.LeaseTTL != 15*time.Second || got.TokenFile != ".token" || got.TokenListFile != ".token-list" ||
		got.Responses() != (redisstore.ResponseBounds{Age: 720 * time.Hour, Bytes: 64 << 20}) {
		t.Errorf("got %+v", got)
	}
	settings := got.Settings()
	if !settings.GetEnableStreamCheck() || settings.GetVisionAbility() != "base64" || settings.GetDefaultInstructions() != "" {
		t.Errorf("settings %v", settings)
	}
}

func TestFileAndEnvironment(t *testing.T) {
	t.Parallel()
	file := write(t, `
port: 4000
include_stop_reason_stream: false
lease_ttl: 20s
upstreams:
  - name: ollama
    driver: openai
    base_url: http://localhost:11434/v1
    models: [llama3]
    settings: {timeout: 30s}
`)
	got, err := config.Load(file, environment(map[string]string{
		"TOKENSTORE_SECRET": sharedSecret, "PASS_ANY_CLAUDE": "true", "VISION_ABILITY": "Base64-HTTP", "LEASE_TTL": "30s",
		"LOG_PROMPTS": "false", "LOG_RETENTION_COUNT": "50", "LOG_RETENTION_HOURS": "24", "ENABLE_OWN_TOKENS": "true", "ENABLE_ALIAS_PINNING": "true", "LIST_ALL_MODELS": "true",
	}))
	if err != nil {
		t.Fatal(err)
	}
	settings := got.Settings()
	if settings.GetIncludeStopStream() || !settings.GetEnableAllClaude() || settings.GetVisionAbility() != "all" || got.LeaseTTL != 30*time.Second {
		t.Errorf("got %+v, settings %v", got, settings)
	}
	if settings.GetLogPrompts() || settings.GetLogRetentionCount() != 50 || settings.GetLogRetentionHours() != 24 ||
		!settings.GetEnableOwnTokens() || !settings.GetEnableAliasPinning() || !settings.GetListAllModels() {
		t.Errorf("settings %v", settings)
	}
	upstream := got.Upstreams[0].Message()
	if upstream.GetName() != "ollama" || upstream.GetModels()[0] != "llama3" || upstream.GetSettings()["timeout"] != "30s" {
		t.Errorf("upstream %v", upstream)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "lease_tll: 1s\nupstreams:\n  - {name: A, driver: x}\n  - {name: b, driver: openai, base_url: http://x}\n  - {name: b, driver: openai, base_url: http://x}\n")
	_, err := config.Load(file, environment(map[string]string{
		"TOKENSTORE_SECRET": "short", "GRPC_ADDR": "nonsense", "REDIS_URL": "http://u:hush@x", "LEASE_TTL": "1ms", "LOG_LEVEL": "loud",
		"LOG_FORMAT": "xml", "VISION_ABILITY": "some", "SHUTDOWN_GRACE": "-1s", "ENABLE_SLOW_POOL": "perhaps",
		"LOG_RETENTION_COUNT": "many", "LOG_RETENTION_HOURS": "9000", "TOKEN_LIST_FILE": "./.token",
		"RESPONSE_MAX_AGE": "1s", "RESPONSE_STORE_MB": "70000",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"lease_tll: unknown key", "tokenstore_secret: at least 16", "grpc_addr: host:port", "redis_url: ", "lease_ttl: 1s to 10m",
		"log_level: ", "log_format: ", "vision_ability: one of", "shutdown_grace: ", "enable_slow_pool: true or false",
		"log_retention_count: a whole number", "log_retention_hours: 0 to 8760", "token_list_file: another file",
		"response_max_age: 1m to 8760h0m0s", "response_store_mb: 0 to 65536",
		"upstreams: number 1: name:", "upstreams: number 3: the name",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	for _, unwanted := range []string{"short", "hush"} {
		if strings.Contains(err.Error(), unwanted) {
			t.Errorf("%q in:\n%v", unwanted, err)
		}
	}
}

// Of two secrets, for the time in which one takes the other's place, both must do.
func TestEachOfSeveralSecretsIsLongEnough(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		sharedSecret + ",another long secret":  true,
		sharedSecret + "\nanother long secret": true,
		sharedSecret + ",short":                false,
		",\n":                                  false,
	} {
		_, err := config.Load("", environment(map[string]string{"TOKENSTORE_SECRET": text}))
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "tokenstore_secret: ") || strings.Contains(err.Error(), "short")) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestSecretFileIsMade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "secret")
	environ := environment(map[string]string{"TOKENSTORE_SECRET_FILE": path})
	first, err := config.Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	second, err := config.Load("", environ)
	if err != nil || first.TokenstoreSecret.Reveal() != second.TokenstoreSecret.Reveal() || len(first.TokenstoreSecret.Reveal()) < 16 {
		t.Errorf("the secret changed, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info, err)
	}
	if _, err := config.Load("", environment(nil)); err == nil || !strings.Contains(err.Error(), "tokenstore_secret: required") {
		t.Errorf("without a secret: %v", err)
	}
}
