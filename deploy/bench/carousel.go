package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"carousel.internal/deploy/local/embeddedredis"
	"carousel.internal/proto/freeport"
)

const (
	// tokens in the pool.
	tokens      = 10
	adminToken  = "sk-bench-admin-token"
	storeSecret = "secret-of-one-run"
	// settleLimit bounds the wait for the log to be stored.
	settleLimit = 15 * time.Second
	settleEvery = 100 * time.Millisecond
)

// The gateway's metrics that the benchmark reads.
const (
	sessionTrips = `carousel_gateway_tokenstore_round_trips_total{kind="session"}`
	logTrips     = `carousel_gateway_tokenstore_round_trips_total{kind="log"}`
	logAccepted  = `carousel_gateway_log_entries_total{state="accepted"}`
	logStored    = `carousel_gateway_log_entries_total{state="stored"}`
	logDropped   = `carousel_gateway_log_entries_total{state="dropped"}`
)

// pair is Carousel: Redis as the compose file has it, the tokenstore, one gateway.
type pair struct {
	bench *bench
	// commit is the one that the services are built from; empty: the present tree. Folder
	// has what they write.
	commit, folder string
	// slots is the cap of each token; 0: none.
	slots                                     int
	redisAddr, storeAddr, storeOps, addr, ops string
}

func (b *bench) carousel(ctx context.Context) (*system, error) {
	return b.pair(ctx, &pair{bench: b, folder: filepath.Join(b.folder, "now")})
}

// earlier is Carousel as an earlier commit has it.
func (b *bench) earlier(ctx context.Context) (*system, error) {
	s, err := b.pair(ctx, &pair{bench: b, commit: b.commit, folder: filepath.Join(b.folder, "before")})
	if err == nil {
		s.only = chatWorkloads
	}
	return s, err
}

// pair starts a Redis, a tokenstore and a gateway.
func (b *bench) pair(ctx context.Context, p *pair) (*system, error) {
	if err := os.Mkdir(p.folder, 0o700); err != nil {
		return nil, err
	}
	for _, addr := range []*string{&p.redisAddr, &p.storeAddr, &p.storeOps, &p.addr, &p.ops} {
		var err error
		if *addr, err = freeport.Addr(); err != nil {
			return nil, err
		}
	}
	redis, err := p.redis(ctx)
	if err != nil {
		return nil, err
	}
	store, err := p.tokenstore(ctx)
	if err != nil {
		return nil, err
	}
	gateway, err := p.gateway(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.configure(ctx); err != nil {
		return nil, gateway.failure(err)
	}
	return &system{
		addr: p.addr, key: adminToken, parts: []*process{gateway, store, redis},
		settle: p.settle, roundTrips: p.roundTrips,
		profiled: map[string]string{"gateway": p.ops, "tokenstore": p.storeOps},
	}, nil
}

// program builds a package of the pair's commit.
func (p *pair) program(ctx context.Context, pkg string) (string, error) {
	root := p.bench.root
	if p.commit != "" {
		root = filepath.Join(p.folder, "source")
		if err := p.bench.source(ctx, p.commit, root); err != nil {
			return "", err
		}
	}
	return build(ctx, root, pkg, p.folder)
}

// start starts a process with its log in the pair's folder.
func (p *pair) start(ctx context.Context, name string, env []string, path string, args ...string) (*process, error) {
	return p.bench.startIn(ctx, p.folder, name, env, path, args...)
}

func (p *pair) redis(ctx context.Context) (*process, error) {
	path, err := lookPath("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(p.folder, "redis-data")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(p.redisAddr)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "redis.conf")
	if err := p.writeRedisConfig(config, folder, port, embeddedredis.AppendFsync(ctx, path)); err != nil {
		return nil, err
	}
	process, err := p.start(ctx, "redis", nil, path, config)
	if err != nil {
		return nil, err
	}
	return process, process.wait(ctx, listens(p.redisAddr))
}

// writeRedisConfig writes the compose file's configuration with a place of its own.
func (p *pair) writeRedisConfig(path, folder, port, fsync string) error {
	composed, err := os.ReadFile(filepath.Join(p.bench.root, "deploy", "docker", "redis.conf"))
	if err != nil {
		return err
	}
	var config strings.Builder
	for line := range strings.Lines(string(composed)) {
		switch directive, _, _ := strings.Cut(line, " "); directive {
		case "dir", "bind", "port", "appendfsync":
		default:
			config.WriteString(line)
		}
	}
	fmt.Fprintf(&config, "\ndir %s\nbind 127.0.0.1\nport %s\nappendfsync %s\n", folder, port, fsync)
	return os.WriteFile(path, []byte(config.String()), 0o600)
}

func (p *pair) tokenstore(ctx context.Context) (*process, error) {
	path, err := p.program(ctx, "./tokenstore/cmd/tokenstore")
	if err != nil {
		return nil, err
	}
	process, err := p.start(ctx, "tokenstore", []string{
		"GRPC_ADDR=" + p.storeAddr, "OPS_ADDR=" + p.storeOps, "REDIS_URL=redis://" + p.redisAddr + "/0",
		"TOKENSTORE_SECRET=" + storeSecret, "SEAL_KEY_FILE=" + filepath.Join(p.folder, "seal.key"),
		"TOKEN_FILE=" + filepath.Join(p.folder, ".token"), "TOKEN_LIST_FILE=" + filepath.Join(p.folder, ".token-list"),
	}, path)
	if err != nil {
		return nil, err
	}
	return process, process.wait(ctx, ready(p.storeOps))
}

func (p *pair) gateway(ctx context.Context) (*process, error) {
	path, err := p.program(ctx, "./gateway/cmd/gateway")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return nil, err
	}
	process, err := p.start(ctx, "gateway", []string{
		"PORT=" + port, "OPS_ADDR=" + p.ops, "TOKENSTORE_ADDR=" + p.storeAddr, "TOKENSTORE_SECRET=" + storeSecret,
		"AUTH_TOKEN=" + adminToken, "DRAIN_DELAY=0s", "SHUTDOWN_GRACE=5s",
	}, path)
	if err != nil {
		return nil, err
	}
	return process, process.wait(ctx, ready(p.ops))
}

// configure makes the simulator an upstream with a pool of tokens, and waits until
// a chat request is answered.
func (p *pair) configure(ctx context.Context) error {
	if err := p.addUpstream(ctx, "bench", "openai", plainModel, streamModel, slowModel); err != nil {
		return err
	}
	needed := []workload{alone}
	if p.commit == "" { // an earlier one may lack what follows
		if err := p.setPrices(ctx); err != nil {
			return err
		}
		if err := p.addUpstream(ctx, "bench-messages", "anthropic", nativeModel, nativeStreamModel); err != nil {
			return err
		}
		needed = append(needed, workload{api: messages, connections: 1})
	}
	return p.poll(ctx, func() error {
		for _, w := range needed {
			load, err := newLoad(ctx, w, p.addr, adminToken)
			if err != nil {
				return err
			}
			load.close()
		}
		return nil
	})
}

// setPrices gives the models of chats a price, so that budgets in dollars have to be kept.
func (p *pair) setPrices(ctx context.Context) error {
	var prices []map[string]any
	for _, model := range []string{plainModel, streamModel, slowModel} {
		prices = append(prices, map[string]any{"match": model, "input_per_million": "1.25", "output_per_million": "10.00"})
	}
	_, err := call(ctx, http.MethodPut, "http://"+p.addr+"/admin/api/prices", adminToken, map[string]any{"prices": prices})
	return err
}

// addUpstream makes the simulator an upstream, with a pool of tokens.
func (p *pair) addUpstream(ctx context.Context, name, driver string, models ...string) error {
	_, err := call(ctx, http.MethodPut, "http://"+p.addr+"/admin/api/upstreams/"+name, adminToken, map[string]any{
		"driver": driver, "base_url": p.bench.simURL + "/v1", "models": models,
	})
	for i := 0; err == nil && i < tokens; i++ {
		_, err = call(ctx, http.MethodPost, "http://"+p.addr+"/admin/api/tokens", adminToken, map[string]any{
			"token": fmt.Sprintf("sk-%s-%028d", name, i+1), "upstream": name, "alias": fmt.Sprintf("%s-%d", name, i+1), "cap": p.slots,
		})
	}
	return err
}

func (p *pair) roundTrips(ctx context.Context) (float64, error) {
	samples, err := scrape(ctx, p.ops)
	if err != nil {
		return 0, err
	}
	return samples.sum(sessionTrips, logTrips)
}

// settle waits until every log entry is stored and the session is quiet, so that
// work for one cell is not done, and not counted, in another.
func (p *pair) settle(ctx context.Context) error {
	trips := -1.0
	return p.poll(ctx, func() error {
		samples, err := scrape(ctx, p.ops)
		if err != nil {
			return err
		}
		if samples[logDropped] > 0 {
			return fmt.Errorf("%g log entries were dropped", samples[logDropped])
		}
		if samples[logStored] != samples[logAccepted] {
			return fmt.Errorf("%g of %g log entries are stored: %w", samples[logStored], samples[logAccepted], errTooSlow)
		}
		now, err := samples.sum(sessionTrips, logTrips)
		if err == nil && now != trips {
			trips, err = now, fmt.Errorf("the session is not quiet: %w", errTooSlow)
		}
		return err
	})
}

// poll tries until it succeeds.
func (p *pair) poll(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}
