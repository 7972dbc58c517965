package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/config"
	"carousel.internal/proto/service/conf"
)

func environment(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, set := pairs[name]; return value, set }
}

func TestDefaultsAreUsable(t *testing.T) {
	t.Parallel()
	got, err := config.Load("", environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got != config.Default() {
		t.Errorf("got %+v", got)
	}
	if got.BodyLimit() != 16<<20 || got.Level() != slog.LevelInfo {
		t.Errorf("body limit %d, level %s", got.BodyLimit(), got.Level())
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got, err := config.Load("", environment(map[string]string{
		"PORT": "4000", "AUTH_TOKEN": "hush, little baby", "ROUTE_PREFIX": "api/", "REQUEST_BODY_LIMIT_MB": "2",
		"TOKENSTORE_ADDR": "tokenstore:7070", "OPS_ADDR": "127.0.0.1:0", "LOG_LEVEL": "DEBUG", "STREAM_HEARTBEAT": "5s",
		"CORS_ORIGINS": "https://a.example.com, http://[::1]:8080,", "ALLOW_OPEN_RELOAD": "true",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Port != 4000 || got.AuthToken.Reveal() != "hush, little baby" || got.RoutePrefix != "/api" || got.RequestBodyLimitMB != 2 ||
		got.TokenstoreAddr != "tokenstore:7070" || got.OpsAddr != "127.0.0.1:0" || got.Level() != slog.LevelDebug ||
		got.StreamHeartbeat != 5*time.Second || !got.AllowOpenReload ||
		!slices.Equal(got.Origins(), []string{"https://a.example.com", "http://[::1]:8080"}) {
		t.Errorf("got %+v", got)
	}
}

// Whoever sets a limit of bodies has chosen it, also where it is the default.
func TestTheLimitOfBodiesIsChosen(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]int64{"": 16 << 20, "2": 2 << 20, "16": 16 << 20, "64": 64 << 20} {
		got, err := config.Load("", environment(map[string]string{"REQUEST_BODY_LIMIT_MB": set}))
		if err != nil || got.BodyLimit() != want || got.BodyLimitChosen() != (set != "") {
			t.Errorf("%q: %d, chosen %v, %v", set, got.BodyLimit(), got.BodyLimitChosen(), err)
		}
	}
}

func TestOneFileForBothServices(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "carousel.yaml")
	text := "port: 4000\nredis_url: redis://r:6379\nupstreams:\n  - name: cursor\n    driver: cursor\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(file, environment(nil))
	if err != nil || got.Port != 4000 {
		t.Errorf("port %d, %v", got.Port, err)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load("", environment(map[string]string{
		"PORT": "70000", "ROUTE_PREFIX": "/a b", "REQUEST_BODY_LIMIT_MB": "0", "TOKENSTORE_ADDR": "tokenstore",
		"OPS_ADDR": "x:y", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "STORE_TIMEOUT": "0s", "DRAIN_DELAY": "-1s",
		"IDLE_TIMEOUT": "soon", "CORS_ORIGINS": "https://a.example.com/path", "ALLOW_OPEN_RELOAD": "perhaps",
		"AUTH_TOKEN": "fifteen letters", "TRUSTED_PROXIES": "everyone", "BODY_MEMORY_MB": "-1", "MAX_CONNECTIONS": "-1",
		"UPLOAD_LIMIT_MB": "0", "UPLOAD_DISK_MB": "-1",
	}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, key := range []string{
		"port", "route_prefix", "request_body_limit_mb", "tokenstore_addr", "ops_addr", "log_level", "log_format",
		"store_timeout", "drain_delay", "idle_timeout", "cors_origins", "allow_open_reload",
		"auth_token", "trusted_proxies", "max_connections", "body_memory_mb",
		"upload_limit_mb", "upload_disk_mb",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+key+": ") {
			t.Errorf("%s is not named in:\n%v", key, err)
		}
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	defaults := config.Default()
	for _, setting := range conf.Settings(&defaults) {
		if setting.Doc == "" {
			t.Errorf("%s has no doc", setting.Key)
		}
	}
}
