package egress

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"

	"carousel.internal/proto/service/secret"
)

// Check opens a tunnel through the proxy to the host of a URL, and closes it. It takes 10
// seconds at most. Errors are fit for whoever has named the proxy; they show no password.
func Check(ctx context.Context, through secret.Value, target *url.URL) error {
	return check(ctx, through, &http.Transport{}, target)
}

// Check is the function of that name, for a proxy as a request would name it; an empty one is
// the transport's own, and no proxy is always well.
func (t *Transport) Check(ctx context.Context, through secret.Value, target *url.URL) error {
	if through.Empty() {
		through = t.own
	}
	if through.Empty() {
		return nil
	}
	return check(ctx, through, t.pools.template, target)
}

func check(ctx context.Context, through secret.Value, template *http.Transport, target *url.URL) error {
	named, err := parse(through.Reveal())
	if err != nil {
		return &Error{Text: "the URL of the proxy " + err.Error()}
	}
	port := cmp.Or(target.Port(), usualPorts[target.Scheme])
	tunnel, err := named.tunnels(template).dial(ctx, "tcp", net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return err
	}
	return tunnel.Close()
}
