package app

import (
	"context"
	"net/url"

	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

// checkProxy goes through a proxy to the host of an upstream's base URL. Where its driver
// has an address of its own, only the proxy's URL is looked at.
func checkProxy(ctx context.Context, proxy secret.Value, baseURL string) error {
	target, err := url.Parse(baseURL)
	if err != nil || target.Host == "" {
		return egress.Parse(proxy.Reveal())
	}
	return egress.Check(ctx, proxy, target)
}
