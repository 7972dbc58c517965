package streamchat

import (
	"net/http"
	"testing"
	"time"

	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	defaultFirstByte = time.Minute
	defaultIdle      = 2 * time.Minute
)

// newClient is a client with long timeouts.
func newClient(base string, transport http.RoundTripper) *Client {
	return New(base, transport, defaultFirstByte, defaultIdle)
}
