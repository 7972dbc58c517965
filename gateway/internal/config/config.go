// Package config has the settings of a gateway process: their names, their
// defaults, and what is wrong with a set of them. Settings that an admin changes
// while the pair runs are not here: the tokenstore keeps those.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/logging"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/service/tracing"
)

// Config is what a gateway is started with.
type Config struct {
	Port               int          `key:"port" doc:"Port of the public API; 0 takes any free one."`
	AuthToken          secret.Value `key:"auth_token" doc:"The admin token, of at least 16 characters. Empty: the pair generates one at its first start and prints it once."`
	TrustedProxies     string       `key:"trusted_proxies" doc:"Networks of the proxies in front, with commas between, such as 10.1.0.0/16, whose X-Forwarded-For and X-Forwarded-Proto are believed; the word private is loopback and all private networks. Empty: nobody is believed, and a client's address is that of its connection."`
	RoutePrefix        string       `key:"route_prefix" doc:"Path in front of the /v1 routes, such as /api."`
	CORSOrigins        string       `key:"cors_origins" doc:"Origins, with commas between, whose pages may call what is not below /v1, such as https://tools.example.com; * is all. The /v1 routes are open to all in any case."`
	AllowOpenReload    bool         `key:"allow_open_reload" doc:"Let everyone, without the admin token, ask for GET /update-tokeninfo."`
	RequestBodyLimitMB int          `key:"request_body_limit_mb" doc:"Largest request body in MiB, also unpacked. Unless it is set, requests of the Messages and the Responses API may have 32 MiB, as those APIs allow."`
	BodyMemoryMB       int          `key:"body_memory_mb" doc:"Memory for request bodies in flight in MiB, each counted as twice its size; beyond it, requests get 503."`
	UploadLimitMB      int          `key:"upload_limit_mb" doc:"Largest body in MiB of a request with files: images to edit, audio to transcribe. What is above 1 MiB waits in a temporary file, in the folder that TMPDIR names."`
	UploadDiskMB       int          `key:"upload_disk_mb" doc:"Room for those files in MiB, all together; beyond it, uploads get 503. Where that folder is in memory, as in containers, it is memory."`
	MaxConnections     int          `key:"max_connections" doc:"Most open connections of the public port; 0 takes what the limit of open files allows."`

	TokenstoreAddr   string        `key:"tokenstore_addr" doc:"host:port of the tokenstore's gRPC service."`
	TokenstoreSecret secret.Value  `key:"tokenstore_secret" doc:"The secret that the tokenstore asks its callers for. Of several, separated by commas or lines, the first is sent. Sessions of the pages are signed with it: where certificates replace it, several gateways need one in common still."`
	TLSCertFile      string        `key:"tokenstore_tls_cert_file" doc:"PEM file of the certificate that this gateway shows the tokenstore. Read again for each connection, like the other two."`
	TLSKeyFile       string        `key:"tokenstore_tls_key_file" doc:"PEM file of the certificate's key."`
	TLSCAFile        string        `key:"tokenstore_tls_ca_file" doc:"PEM file of the authorities that the tokenstore's certificate may be from. With it the tokenstore is called over TLS, and its certificate must be for the host in tokenstore_addr."`
	StoreTimeout     time.Duration `key:"store_timeout" doc:"Longest wait for an answer of the tokenstore."`
	DegradedTime     time.Duration `key:"degraded_time" doc:"How long requests are served from a reserve of tokens while the tokenstore or Redis is away; 0 for not at all."`

	LogSpoolDir string `key:"log_spool_dir" doc:"Folder in which request log entries are kept until the tokenstore has them, so that they survive a crash; empty: in memory only."`
	LogSpoolMB  int    `key:"log_spool_mb" doc:"Largest size of that folder's part that one gateway writes, in MiB."`

	OpsAddr string `key:"ops_addr" doc:"host:port of /livez, /readyz, /metrics and /debug/pprof. Anyone who reaches it is answered."`
	logging.Options
	tracing.Export
	TraceUpstreams string `key:"trace_upstreams" doc:"Upstreams, with commas between, that are told which trace a request is in, by the headers traceparent and tracestate; * is all. Empty: no upstream is told."`
	TraceURL       string `key:"trace_url" doc:"Where a trace can be looked at, with {trace_id} in it, such as https://grafana.example.com/explore?trace={trace_id}: what the page of a request links to. Empty: it shows the id."`

	FirstByteTimeout time.Duration `key:"first_byte_timeout" doc:"Longest wait for an upstream's first event."`
	IdleTimeout      time.Duration `key:"idle_timeout" doc:"Longest silence of an upstream within an answer."`
	RequestTimeout   time.Duration `key:"request_timeout" doc:"Longest time for one chat request, retries included."`

	StreamHeartbeat time.Duration `key:"stream_heartbeat" doc:"Silence in a stream, also before its first event, after which the client is sent a comment."`
	WriteTimeout    time.Duration `key:"write_timeout" doc:"How long a client may refuse to read before its connection is closed."`
	ReadTimeout     time.Duration `key:"read_timeout" doc:"How long a client may take to send a request's body, on every route, and a second more for each 32 KiB that have come. A body that nobody has asked for, such as a login form, has 10 seconds at most."`

	DrainDelay    time.Duration `key:"drain_delay" doc:"On shutdown: time between becoming not ready and refusing connections."`
	ShutdownGrace time.Duration `key:"shutdown_grace" doc:"On shutdown: time that open requests get to end."`

	bodyLimitChosen bool
}

// Default is the configuration with nothing set.
func Default() Config {
	return Config{
		Port:               3000,
		RequestBodyLimitMB: 16,
		BodyMemoryMB:       256,
		UploadLimitMB:      64,
		UploadDiskMB:       256,
		TokenstoreAddr:     "127.0.0.1:7070",
		StoreTimeout:       5 * time.Second,
		DegradedTime:       5 * time.Minute,
		LogSpoolMB:         256,
		OpsAddr:            "127.0.0.1:9090",
		Options:            logging.Default(),
		Export:             tracing.Default(),
		FirstByteTimeout:   2 * time.Minute,
		IdleTimeout:        2 * time.Minute,
		RequestTimeout:     time.Hour,
		StreamHeartbeat:    15 * time.Second,
		WriteTimeout:       30 * time.Second,
		ReadTimeout:        time.Minute,
		DrainDelay:         2 * time.Second,
		ShutdownGrace:      30 * time.Second,
	}
}

// sharedKeys are the tokenstore's: one file may configure both services.
var sharedKeys = []string{
	"grpc_addr", "redis_url", "redis_url_file", "seal_key_file", "lease_ttl", "token_file", "token_list_file", "upstreams", "routes",
	"enable_stream_check", "include_stop_reason_stream", "enable_slow_pool", "pass_any_claude", "vision_ability",
	"default_instructions", "log_prompts", "log_retention_count", "log_retention_hours", "log_prompt_mb", "redis_wait_replicas", "redis_log_url", "redis_log_url_file", "enable_own_tokens", "enable_alias_pinning",
	"list_all_models", "response_max_age", "response_store_mb", "token_files", "connection_age",
	"tokenstore_tls_gateways", "tokenstore_tls_admins", "tokenstore_tls_plaintext",
}

// Load reads the file (none where empty) and the environment over the defaults,
// and answers all problems at once. environ is os.LookupEnv where nil.
func Load(file string, environ func(string) (string, bool)) (Config, error) {
	config := Default()
	given := func(key string) { config.bodyLimitChosen = config.bodyLimitChosen || key == "request_body_limit_mb" }
	err := conf.Load(&config, conf.Source{File: file, Foreign: sharedKeys, Environ: environ, Given: given})
	config.RoutePrefix = cleanPrefix(config.RoutePrefix)
	return config, errors.Join(err, config.Validate())
}

// cleanPrefix makes `api`, `/api` and `/api/` one and the same.
func cleanPrefix(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return ""
	}
	return "/" + prefix
}

const (
	// minAuthToken is how many characters a configured admin token has at least.
	minAuthToken = 16
	// maxBodyMemoryMB and maxConnections are beyond what one process can use.
	maxBodyMemoryMB = 1 << 20
	maxConnections  = 1 << 20
)

var (
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
	originForm = regexp.MustCompile(`^https?://[a-z0-9.:\[\]-]+$`)
)

// Validate answers every problem, each beginning with its key; nil where there
// is none.
func (c Config) Validate() error {
	var problems []error
	wrong := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf(key+": "+format, args...))
	}
	if c.Port < 0 || c.Port > 65535 {
		wrong("port", "0 to 65535 wanted, not %d", c.Port)
	}
	if !prefixForm.MatchString(c.RoutePrefix) {
		wrong("route_prefix", "a path of letters, digits, . _ ~ - wanted, not %q", c.RoutePrefix)
	}
	if length := len(c.AuthToken.Reveal()); length > 0 && length < minAuthToken {
		wrong("auth_token", "at least %d characters wanted: a short one can be guessed", minAuthToken)
	}
	if _, err := forwarded.ParseProxies(c.TrustedProxies); err != nil {
		wrong("trusted_proxies", "%w", err)
	}
	for _, origin := range c.Origins() {
		if origin != "*" && !originForm.MatchString(origin) {
			wrong("cors_origins", "origins such as https://tools.example.com wanted, or *, not %q", origin)
		}
	}
	if c.RequestBodyLimitMB < 1 || c.RequestBodyLimitMB > 1024 {
		wrong("request_body_limit_mb", "1 to 1024 wanted, not %d", c.RequestBodyLimitMB)
	}
	if c.BodyMemoryMB < 1 || c.BodyMemoryMB > maxBodyMemoryMB {
		wrong("body_memory_mb", "1 to %d wanted, not %d", maxBodyMemoryMB, c.BodyMemoryMB)
	}
	if c.UploadLimitMB < 1 || c.UploadLimitMB > 1024 {
		wrong("upload_limit_mb", "1 to 1024 wanted, not %d", c.UploadLimitMB)
	}
	if c.UploadDiskMB < c.UploadLimitMB || c.UploadDiskMB > maxBodyMemoryMB {
		wrong("upload_disk_mb", "no less than upload_limit_mb and at most %d wanted, not %d", maxBodyMemoryMB, c.UploadDiskMB)
	}
	if c.MaxConnections < 0 || c.MaxConnections > maxConnections {
		wrong("max_connections", "0 to %d wanted, not %d", maxConnections, c.MaxConnections)
	}
	for key, addr := range map[string]string{"tokenstore_addr": c.TokenstoreAddr, "ops_addr": c.OpsAddr} {
		if err := conf.CheckAddr(addr); err != nil {
			wrong(key, "%w", err)
		}
	}
	problems = append(problems, c.checkTLS()...)
	for key, duration := range map[string]time.Duration{
		"store_timeout":      c.StoreTimeout,
		"first_byte_timeout": c.FirstByteTimeout, "idle_timeout": c.IdleTimeout, "request_timeout": c.RequestTimeout,
		"stream_heartbeat": c.StreamHeartbeat, "write_timeout": c.WriteTimeout, "read_timeout": c.ReadTimeout,
	} {
		if duration <= 0 {
			wrong(key, "a duration above zero wanted, not %s", duration)
		}
	}
	if c.LogSpoolMB < 1 || c.LogSpoolMB > 1<<20 {
		wrong("log_spool_mb", "1 to %d wanted, not %d", 1<<20, c.LogSpoolMB)
	}
	if c.DegradedTime < 0 || c.DegradedTime > time.Hour {
		wrong("degraded_time", "0s to 1h wanted, not %s", c.DegradedTime)
	}
	for key, duration := range map[string]time.Duration{"drain_delay": c.DrainDelay, "shutdown_grace": c.ShutdownGrace} {
		if duration < 0 {
			wrong(key, "a duration of zero or more wanted, not %s", duration)
		}
	}
	if c.TraceURL != "" && !isTraceURL(c.TraceURL) {
		wrong("trace_url", "a URL with %s in it wanted, such as https://traces.example.com/%s, not %q", traceIDPlace, traceIDPlace, c.TraceURL)
	}
	return errors.Join(slices.Concat(problems, c.CheckLog(), c.CheckTracing())...)
}

// Origins are those of CORSOrigins.
func (c Config) Origins() []string {
	var origins []string
	for origin := range strings.SplitSeq(c.CORSOrigins, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			origins = append(origins, origin)
		}
	}
	return origins
}

// Proxies are the networks of TrustedProxies.
func (c Config) Proxies() forwarded.Proxies {
	proxies, _ := forwarded.ParseProxies(c.TrustedProxies) // Validate has seen it
	return proxies
}

// NamesTrace reports whether TraceUpstreams has an upstream.
func (c Config) NamesTrace(upstreamName string) bool {
	for each := range strings.SplitSeq(c.TraceUpstreams, ",") {
		if each = strings.TrimSpace(each); each == "*" || each != "" && each == upstreamName {
			return true
		}
	}
	return false
}

// traceIDPlace stands in TraceURL for a trace's id.
const traceIDPlace = "{trace_id}"

func isTraceURL(text string) bool {
	at, err := url.Parse(strings.ReplaceAll(text, traceIDPlace, "0"))
	return err == nil && strings.Contains(text, traceIDPlace) && (at.Scheme == "http" || at.Scheme == "https") && at.Host != ""
}

// TracePage is where a trace can be looked at; empty where nobody has said.
func (c Config) TracePage(id string) string { return strings.ReplaceAll(c.TraceURL, traceIDPlace, id) }

// BodyLimit is RequestBodyLimitMB in bytes.
func (c Config) BodyLimit() int64 { return int64(c.RequestBodyLimitMB) << 20 }

// BodyLimitChosen tells whether somebody has set RequestBodyLimitMB: then it holds for
// all APIs, also where clients count on more.
func (c Config) BodyLimitChosen() bool { return c.bodyLimitChosen }

// BodyMemory is BodyMemoryMB in bytes.
func (c Config) BodyMemory() int64 { return int64(c.BodyMemoryMB) << 20 }
