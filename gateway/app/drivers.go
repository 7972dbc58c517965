package app

import (
	"maps"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/anthropic"
	"carousel.internal/gateway/internal/upstream/cursor"
	"carousel.internal/gateway/internal/upstream/openai"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// drivers has a row for each driver: the name that upstreams are configured
// with, and its constructor.
func drivers(cfg Config) map[string]upstream.Constructor {
	return map[string]upstream.Constructor{
		"cursor":    withTimeouts(cfg, cursor.New),
		"openai":    withTimeouts(cfg, openai.New),
		"anthropic": withTimeouts(cfg, anthropic.New),
	}
}

// withTimeouts gives upstreams that don't set a timeout the gateway's.
func withTimeouts(cfg Config, construct upstream.Constructor) upstream.Constructor {
	return func(config upstream.Config) (upstream.Driver, error) {
		settings := map[string]string{
			"first_byte_timeout": cfg.FirstByteTimeout.String(),
			"idle_timeout":       cfg.IdleTimeout.String(),
		}
		maps.Copy(settings, config.Settings)
		config.Settings = settings
		return construct(config)
	}
}

func upstreamConfigs(upstreams []*tokenstorev1.Upstream) []upstream.Config {
	configs := make([]upstream.Config, len(upstreams))
	for i, each := range upstreams {
		configs[i] = upstream.Config{
			Name: each.GetName(), Driver: each.GetDriver(), BaseURL: each.GetBaseUrl(),
			Models: each.GetModels(), Settings: each.GetSettings(),
		}
	}
	return configs
}
