package streamchat

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	defaultFirstByte = time.Minute
	defaultIdle      = 2 * time.Minute
)

// newClient is a client with long timeouts.
func newClient(base string, transport http.RoundTripper) *Client {
	return New(base, transport, defaultFirstByte, defaultIdle)
}
