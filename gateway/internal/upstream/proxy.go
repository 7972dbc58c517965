package upstream

import (
	"context"

	"carousel.internal/proto/service/secret"
)

// ProxyChecker is implemented by drivers whose requests go through proxies.
type ProxyChecker interface {
	// CheckProxy finds out whether the proxy leads to the upstream. It takes 10 seconds at
	// most. An empty proxy is the upstream's own; where it has none, all is well. Errors are fit
	// for an admin, and show no user name and no password.
	CheckProxy(ctx context.Context, proxy secret.Value) error
}
