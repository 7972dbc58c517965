package allinone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	tokenstore "carousel.internal/tokenstore/app"
)

// demoTag marks the demo tokens, so that they go when real ones come.
const demoTag = "demo"

// triedModel is the model of the printed line and of the README's first lines, which two
// simulated upstreams serve: the second one gets what the first can't carry, such as tools.
const triedModel = "gpt-4o"

// demo is one simulated upstream: its name in the pool, its driver, where below
// the simulator it is, the models that answer, and its tokens.
type demo struct {
	upstream string
	driver   string
	path     string
	// models are served; the first is in the aliases of its tokens.
	models []string
	tokens []string
	// tellsAccounts: the simulator is also the website that tells of accounts.
	tellsAccounts bool
}

func demos() []demo {
	tokens := upstreamsim.DemoTokens()
	return []demo{
		{"simulator", "cursor", "", []string{"demo", triedModel}, tokens.Cursor, true},
		{"simulator-openai", "openai", "/v1", []string{"demo-openai", triedModel}, tokens.OpenAI, false},
		{"simulator-anthropic", "anthropic", "", []string{"demo-anthropic", "claude-opus-4-8", "claude-sonnet-4-5", "claude-haiku-4-5"}, tokens.Anthropic, false},
	}
}

// simulate runs the simulated upstreams if they are wanted: by flag, or because
// no upstream was configured and no token of a person's own is known. Otherwise
// it removes what an earlier run left of them. It tells whether they run.
func simulate(p *parts, storeAddr string, cfg tokenstore.Config, forced bool) (bool, error) {
	ctx, cancel := context.WithTimeout(p.ctx, startLimit)
	defer cancel()
	pool, err := openPool(storeAddr, cfg.TokenstoreSecret)
	if err != nil {
		return false, err
	}
	defer pool.close()
	known, err := pool.list(ctx)
	if err != nil {
		return false, err
	}
	own := 0
	for _, token := range known {
		if !isDemo(token) {
			own++
		}
	}
	if !forced && (own > 0 || len(cfg.Upstreams) > 0) {
		return false, pool.removeDemos(ctx, known)
	}
	base, err := runSimulator(p)
	if err != nil {
		return false, err
	}
	// Each call waits for the disk, and one wait serves all that wait at once.
	var adds []func() error
	for _, each := range demos() {
		adds = append(adds, func() error { return pool.addDemo(ctx, each, base, known) })
	}
	return true, together(adds...)
}

func isDemo(token *tokenstorev1.Token) bool {
	for _, tag := range token.GetTags() {
		if tag == demoTag {
			return true
		}
	}
	return false
}

// runSimulator serves the simulator on loopback and answers its address.
func runSimulator(p *parts) (string, error) {
	listener, err := new(net.ListenConfig).Listen(p.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	sim := upstreamsim.New(upstreamsim.Options{})
	server := sim.Server()
	p.run("simulator", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() {
			sim.Close()
			_ = server.Close()
		})
		defer stop()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return "http://" + listener.Addr().String(), nil
}

// addDemo points the upstream to the simulator, whose port is another at each
// start, and adds its tokens where they are missing.
func (p *pool) addDemo(ctx context.Context, each demo, base string, known []*tokenstorev1.Token) error {
	settings := map[string]string{}
	if each.tellsAccounts {
		settings["site_url"] = base
	}
	if _, err := p.config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{Upstream: &tokenstorev1.Upstream{
		Name: each.upstream, Driver: each.driver, BaseUrl: base + each.path, Models: each.models, Settings: settings,
	}}); err != nil {
		return fmt.Errorf("simulated upstream: %w", err)
	}
	var adds []func() error
	for i, secret := range each.tokens {
		alias := fmt.Sprintf("%s-%d", each.models[0], i+1)
		isThere := func(token *tokenstorev1.Token) bool {
			return token.GetUpstream() == each.upstream && token.GetAlias() == alias
		}
		if !slices.ContainsFunc(known, isThere) {
			adds = append(adds, func() error { return p.addDemoToken(ctx, each.upstream, alias, secret) })
		}
	}
	return together(adds...)
}

func (p *pool) addDemoToken(ctx context.Context, upstream, alias, secret string) error {
	_, err := p.tokens.CreateToken(ctx, &tokenstorev1.CreateTokenRequest{Secret: secret, Upstream: upstream, Alias: alias, Tags: []string{demoTag}})
	if err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALREADY_EXISTS) && !rpcerr.Is(err, tokenstorev1.Reason_REASON_ALIAS_TAKEN) {
		return fmt.Errorf("demo token: %w", err)
	}
	return nil
}

// removeDemos takes the demo tokens and the simulated upstreams away.
func (p *pool) removeDemos(ctx context.Context, known []*tokenstorev1.Token) error {
	for _, token := range known {
		if !isDemo(token) {
			continue
		}
		if _, err := p.tokens.DeleteToken(ctx, &tokenstorev1.DeleteTokenRequest{Id: token.GetId()}); err != nil {
			return fmt.Errorf("remove a demo token: %w", err)
		}
	}
	for _, each := range demos() {
		_, err := p.config.DeleteUpstream(ctx, &tokenstorev1.DeleteUpstreamRequest{Name: each.upstream})
		// Not there, or with tokens that somebody added to it: both are fine.
		if err != nil && !rpcerr.Is(err, tokenstorev1.Reason_REASON_UPSTREAM_NOT_FOUND) && !rpcerr.Is(err, tokenstorev1.Reason_REASON_UPSTREAM_IN_USE) {
			return fmt.Errorf("remove a simulated upstream: %w", err)
		}
	}
	return nil
}
