package pairs_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// post sends a body to the gateway.
func (w *world) post(t *testing.T, path, body string, header http.Header) reply {
	t.Helper()
	return w.send(t.Context(), t, http.MethodPost, path, body, header)
}

// send sends any request to the gateway. An answer that is cut is what has come of it.
func (w *world) send(ctx context.Context, t *testing.T, method, path, body string, header http.Header) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.Gateways[0].URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	client := stack.Client(t)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(text)}
}
