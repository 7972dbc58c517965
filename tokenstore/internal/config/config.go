// Package config has the settings of a tokenstore process: their names, their
// defaults, and what is wrong with a set of them. Of the settings that an admin
// changes while the pair runs only the first values are here.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/logging"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/service/tracing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/genfile"
	"carousel.internal/tokenstore/internal/notify"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/token"
)

// Config is what a tokenstore is started with.
type Config struct {
	GRPCAddr string `key:"grpc_addr" doc:"host:port of the gRPC service; port 0 takes any free one."`
	OpsAddr  string `key:"ops_addr" doc:"host:port of /livez, /readyz, /metrics and /debug/pprof."`

	RedisURL          secret.Value `key:"redis_url" doc:"redis://, rediss:// (TLS) or unix:// URL. Several hosts, with commas between, are a cluster; ?master=NAME makes them sentinels. A secret, because it may hold a password."`
	RedisLogURL       secret.Value `key:"redis_log_url" doc:"Another Redis for the request log, with a URL like redis_url; empty keeps the log beside everything else. Entries of before stay where they are."`
	RedisWaitReplicas int          `key:"redis_wait_replicas" doc:"How many of Redis's replicas must have received what an admin saves, and log entries, before they count as saved: 1 where a replica may be promoted (Sentinel, Cluster)."`
	TokenstoreSecret  secret.Value `key:"tokenstore_secret" doc:"The secret that every caller must show that is not asked for a certificate; at least 16 characters. Of several, separated by commas or lines, each is accepted. A file named by tokenstore_secret_file is made when absent."`

	TLSCertFile  string `key:"tokenstore_tls_cert_file" doc:"PEM file of this tokenstore's certificate, which is for the host in the gateways' tokenstore_addr. With it callers speak TLS. Read again for each connection, like the other two."`
	TLSKeyFile   string `key:"tokenstore_tls_key_file" doc:"PEM file of the certificate's key."`
	TLSCAFile    string `key:"tokenstore_tls_ca_file" doc:"PEM file of the authorities whose certificates callers must show. Then these, and not the secret, say who may call what. Empty: callers show the secret, over TLS."`
	TLSGateways  string `key:"tokenstore_tls_gateways" doc:"DNS names, with commas between, by which certificates are known as gateways'."`
	TLSAdmins    string `key:"tokenstore_tls_admins" doc:"DNS names, with commas between, by which certificates are known as those of admins' tools: they may do what admins do, and are lent no tokens."`
	TLSPlaintext bool   `key:"tokenstore_tls_plaintext" doc:"Take callers without TLS, too, by the secret: while gateways move over."`

	ConnectionAge time.Duration `key:"connection_age" doc:"How long gateways use a connection before they make another one: by then load has spread to a tokenstore that has come back, and replaced certificates hold for all. Sessions last a fifth of it."`

	SealKeyFile     string        `key:"seal_key_file" doc:"File of the keys that seal secrets at rest; made when absent. Without it the stored tokens are lost."`
	LeaseTTL        time.Duration `key:"lease_ttl" doc:"How long a lease lives that is not renewed: after that time the requests of a gateway that died give their tokens back."`
	ResponseMaxAge  time.Duration `key:"response_max_age" doc:"How long an answer of the Responses API is kept that clients may go on with by its id."`
	ResponseStoreMB uint32        `key:"response_store_mb" doc:"MiB that these answers may take together, compressed and sealed; the oldest go first. 0 keeps none."`
	TokenFiles      bool          `key:"token_files" doc:"Use the two token files. Without them several tokenstores need no folder in common."`
	TokenFile       string        `key:"token_file" doc:"Token file of the upstream cursor. It is applied at start where it is new or has changed, and written when an admin writes it; its folder must be writable then."`
	TokenListFile   string        `key:"token_list_file" doc:"Token list (token,checksum) of the same upstream, applied likewise. Once there is either file it is kept as a rendering of the pool."`
	NotifyPatience  time.Duration `key:"notify_patience" doc:"How long anything that is wrong has to last, at most, until a destination of notifications is told; each alert has its own time, up to 15m."`
	ShutdownGrace   time.Duration `key:"shutdown_grace" doc:"On shutdown: time that open calls get to end."`
	logging.Options
	tracing.Export

	EnableStreamCheck       bool   `key:"enable_stream_check" doc:"First value: look for an upstream error before the answer's headers are sent."`
	IncludeStopReasonStream bool   `key:"include_stop_reason_stream" doc:"First value: send the last chunk of a stream, the one with finish_reason."`
	EnableSlowPool          bool   `key:"enable_slow_pool" doc:"First value: let Cursor put requests into its slow pool."`
	PassAnyClaude           bool   `key:"pass_any_claude" doc:"First value: let any model id that begins with claude through."`
	VisionAbility           string `key:"vision_ability" doc:"First value: none, base64 or all."`
	DefaultInstructions     string `key:"default_instructions" doc:"First value: the instructions of a request that has no system message."`
	LogPrompts              bool   `key:"log_prompts" doc:"First value: keep prompts in the request log, sealed."`
	LogRetentionCount       uint32 `key:"log_retention_count" doc:"First value: entries that the request log keeps."`
	LogPromptMB             uint32 `key:"log_prompt_mb" doc:"First value: MiB that the prompts of the request log may have together; the oldest go first."`
	LogRetentionHours       uint32 `key:"log_retention_hours" doc:"First value: hours that the request log keeps an entry; 0 is until the count is reached."`
	EnableOwnTokens         bool   `key:"enable_own_tokens" doc:"First value: let callers bring <token>,<checksum> as their key."`
	EnableAliasPinning      bool   `key:"enable_alias_pinning" doc:"First value: let callers choose a token by its alias."`
	ListAllModels           bool   `key:"list_all_models" doc:"First value: list models whose upstream has no token, too."`

	Upstreams []Upstream `key:"upstreams" doc:"Upstreams that are created at start where they don't exist; the admin API changes them from then on."`
	Routes    []Route    `key:"routes" doc:"Routes (aliases and patterns) that are created at start where they don't exist; the admin API changes them from then on."`
}

// Upstream is one of Config.Upstreams. Keys of its settings are in lower case.
type Upstream struct {
	Name     string            `key:"name"`
	Driver   string            `key:"driver"`
	BaseURL  string            `key:"base_url"`
	Models   []string          `key:"models"`
	Settings map[string]string `key:"settings"`
}

// Message is the upstream as the contract has it.
func (u Upstream) Message() *tokenstorev1.Upstream {
	return &tokenstorev1.Upstream{Name: u.Name, Driver: u.Driver, BaseUrl: u.BaseURL, Models: u.Models, Settings: u.Settings}
}

// Default is the configuration with nothing set.
func Default() Config {
	settings := token.DefaultSettings()
	return Config{
		GRPCAddr:                ":7070",
		OpsAddr:                 "127.0.0.1:9091",
		RedisURL:                secret.New("redis://127.0.0.1:6379/0"),
		SealKeyFile:             "data/seal.key",
		TLSGateways:             "gateway",
		TLSAdmins:               "admin",
		ConnectionAge:           5 * time.Minute,
		LeaseTTL:                15 * time.Second,
		ResponseMaxAge:          30 * 24 * time.Hour,
		ResponseStoreMB:         64,
		TokenFiles:              true,
		TokenFile:               ".token",
		TokenListFile:           ".token-list",
		NotifyPatience:          notify.LongestHold,
		ShutdownGrace:           10 * time.Second,
		Options:                 logging.Default(),
		Export:                  tracing.Default(),
		EnableStreamCheck:       settings.GetEnableStreamCheck(),
		IncludeStopReasonStream: settings.GetIncludeStopStream(),
		EnableSlowPool:          settings.GetEnableSlowPool(),
		PassAnyClaude:           settings.GetEnableAllClaude(),
		VisionAbility:           settings.GetVisionAbility(),
		DefaultInstructions:     settings.GetDefaultInstructions(),
		LogPrompts:              settings.GetLogPrompts(),
		LogRetentionCount:       settings.GetLogRetentionCount(),
		LogPromptMB:             settings.GetLogPromptMb(),
		LogRetentionHours:       settings.GetLogRetentionHours(),
		EnableOwnTokens:         settings.GetEnableOwnTokens(),
		EnableAliasPinning:      settings.GetEnableAliasPinning(),
		ListAllModels:           settings.GetListAllModels(),
	}
}

// Settings are the defaults of the settings that an admin changes later.
func (c Config) Settings() *tokenstorev1.Settings {
	settings := token.DefaultSettings()
	settings.EnableStreamCheck = c.EnableStreamCheck
	settings.IncludeStopStream = c.IncludeStopReasonStream
	settings.EnableSlowPool = c.EnableSlowPool
	settings.EnableAllClaude = c.PassAnyClaude
	settings.VisionAbility = c.VisionAbility
	settings.DefaultInstructions = c.DefaultInstructions
	settings.LogPrompts = c.LogPrompts
	settings.LogRetentionCount = c.LogRetentionCount
	settings.LogPromptMb = c.LogPromptMB
	settings.LogRetentionHours = c.LogRetentionHours
	settings.EnableOwnTokens = c.EnableOwnTokens
	settings.EnableAliasPinning = c.EnableAliasPinning
	settings.ListAllModels = c.ListAllModels
	token.NormalizeSettings(settings)
	return settings
}

// sharedKeys are the gateway's: one file may configure both services.
var sharedKeys = []string{
	"port", "auth_token", "auth_token_file", "route_prefix", "cors_origins", "allow_open_reload", "request_body_limit_mb", "tokenstore_addr", "store_timeout", "degraded_time", "log_spool_dir", "log_spool_mb",
	"first_byte_timeout", "idle_timeout", "request_timeout", "stream_heartbeat", "write_timeout",
	"read_timeout", "drain_delay", "trace_upstreams", "trace_url",
}

// Load reads the file (none where empty) and the environment over the defaults,
// and answers all problems at once. environ is os.LookupEnv where nil. The file
// that tokenstore_secret_file names is made when there is none, readable for its
// owner and group: gateways of the same group read it from a shared volume.
func Load(file string, environ func(string) (string, bool)) (Config, error) {
	config := Default()
	source := conf.Source{File: file, Foreign: sharedKeys, Environ: environ}
	if err := makeSecretFile(source); err != nil {
		return config, err
	}
	err := conf.Load(&config, source)
	return config, errors.Join(err, config.Validate())
}

func makeSecretFile(source conf.Source) error {
	var named struct {
		Path string `key:"tokenstore_secret_file"`
	}
	_ = conf.Load(&named, source) // every other key is unknown here: the real load tells what is wrong
	if named.Path == "" {
		return nil
	}
	if _, err := genfile.CreateOnce(named.Path, 0o640, genfile.NewSecret()); err != nil {
		return fmt.Errorf("tokenstore_secret_file: %w", err)
	}
	return nil
}

const (
	minSecret        = 16 // characters
	maxResponseAge   = 365 * 24 * time.Hour
	maxResponseStore = 1 << 16 // MiB
)

// Responses bound the answers that are kept.
func (c Config) Responses() redisstore.ResponseBounds {
	return redisstore.ResponseBounds{Age: c.ResponseMaxAge, Bytes: int64(c.ResponseStoreMB) << 20}
}

// TokenFilePath is where the token file is; empty where the files are not used.
func (c Config) TokenFilePath() string { return c.usedFile(c.TokenFile) }

// TokenListPath is where the token list is, likewise.
func (c Config) TokenListPath() string { return c.usedFile(c.TokenListFile) }

func (c Config) usedFile(path string) string {
	if !c.TokenFiles {
		return ""
	}
	return path
}

// Validate answers every problem, each beginning with its key; nil where there
// is none.
func (c Config) Validate() error {
	var problems []error
	wrong := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf(key+": "+format, args...))
	}
	for key, addr := range map[string]string{"grpc_addr": c.GRPCAddr, "ops_addr": c.OpsAddr} {
		if err := conf.CheckAddr(addr); err != nil {
			wrong(key, "%w", err)
		}
	}
	if _, err := redisstore.ParseURL(c.RedisURL.Reveal()); err != nil {
		wrong("redis_url", "%v", err)
	}
	if c.RedisLogURL.Reveal() != "" {
		if _, err := redisstore.ParseURL(c.RedisLogURL.Reveal()); err != nil {
			wrong("redis_log_url", "%v", err)
		}
	}
	if c.RedisWaitReplicas < 0 || c.RedisWaitReplicas > 10 {
		wrong("redis_wait_replicas", "0 to 10 wanted, not %d", c.RedisWaitReplicas)
	}
	accepted := c.TokenstoreSecret.List()
	if len(accepted) == 0 && c.asksSecret() {
		wrong("tokenstore_secret", "required; or set tokenstore_secret_file, which is made when absent")
	}
	for _, each := range accepted {
		if len(each.Reveal()) < minSecret {
			wrong("tokenstore_secret", "at least %d characters wanted, of each where there are several", minSecret)
			break
		}
	}
	if c.TokenFile != "" && filepath.Clean(c.TokenFile) == filepath.Clean(c.TokenListFile) {
		wrong("token_list_file", "another file than token_file wanted")
	}
	problems = append(problems, c.checkTLS()...)
	if c.ConnectionAge < time.Second || c.ConnectionAge > 24*time.Hour {
		wrong("connection_age", "1s to 24h wanted, not %s", c.ConnectionAge)
	}
	if c.SealKeyFile == "" {
		wrong("seal_key_file", "required")
	}
	if c.LeaseTTL < time.Second || c.LeaseTTL > 10*time.Minute {
		wrong("lease_ttl", "1s to 10m wanted, not %s", c.LeaseTTL)
	}
	if c.ResponseMaxAge < time.Minute || c.ResponseMaxAge > maxResponseAge {
		wrong("response_max_age", "1m to %s wanted, not %s", maxResponseAge, c.ResponseMaxAge)
	}
	if c.ResponseStoreMB > maxResponseStore {
		wrong("response_store_mb", "0 to %d wanted, not %d", maxResponseStore, c.ResponseStoreMB)
	}
	if c.NotifyPatience < 0 || c.NotifyPatience > notify.LongestHold {
		wrong("notify_patience", "0s to %s wanted, not %s", notify.LongestHold, c.NotifyPatience)
	}
	if c.ShutdownGrace < 0 || c.ShutdownGrace > 10*time.Minute {
		wrong("shutdown_grace", "0s to 10m wanted, not %s", c.ShutdownGrace)
	}
	if err := token.CheckSettings(c.Settings()); err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, c.CheckLog()...)
	problems = append(problems, c.CheckTracing()...)
	problems = append(problems, c.checkUpstreams()...)
	return errors.Join(append(problems, c.checkRoutes()...)...)
}

func (c Config) checkUpstreams() []error {
	var problems []error
	seen := map[string]bool{}
	for i, upstream := range c.Upstreams {
		if err := token.CheckUpstream(upstream.Message()); err != nil {
			problems = append(problems, fmt.Errorf("upstreams: number %d: %s", i+1, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
		if seen[upstream.Name] {
			problems = append(problems, fmt.Errorf("upstreams: number %d: the name %q is there twice", i+1, upstream.Name))
		}
		seen[upstream.Name] = true
	}
	return problems
}
