package egress

import (
	"cmp"
	"context"
	"net"
	"net/url"

	"carousel.internal/proto/service/secret"
)

// Check opens a tunnel through a proxy to the host of a URL, and closes it: through the one
// that a request would name; an empty one is the transport's own, and no proxy is always well.
// It takes 10 seconds at most. Errors are fit for whoever has named the proxy; they show no
// password.
func (t *Transport) Check(ctx context.Context, through secret.Value, target *url.URL) error {
	if through.Empty() {
		through = t.own
	}
	if through.Empty() {
		return nil
	}
	named, err := parse(through.Reveal())
	if err != nil {
		return &Error{Text: "the URL of the proxy " + err.Error()}
	}
	port := cmp.Or(target.Port(), usualPorts[target.Scheme])
	tunnel, err := named.tunnels(t.pools.template).dial(ctx, "tcp", net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return err
	}
	return tunnel.Close()
}
