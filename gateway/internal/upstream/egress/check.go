package egress

import (
	"context"
	"net"
	"net/url"

	"carousel.internal/proto/service/secret"
)

// Check opens a tunnel through the proxy to the host of a URL, and closes it. It takes 10
// seconds at most. Errors are fit for whoever has named the proxy; they repeat no password.
func Check(ctx context.Context, through secret.Value, target *url.URL) error {
	named, err := parse(through.Reveal())
	if err != nil {
		return &Error{Text: "the URL of the proxy " + err.Error()}
	}
	t := &tunnels{proxy: named, reach: new(net.Dialer).DialContext}
	tunnel, err := t.dial(ctx, "tcp", addressOf(target))
	if err != nil {
		return err
	}
	return tunnel.Close()
}

// addressOf is where a URL leads to.
func addressOf(target *url.URL) string {
	port := target.Port()
	if port == "" {
		port = usualPorts[target.Scheme]
	}
	return net.JoinHostPort(target.Hostname(), port)
}
