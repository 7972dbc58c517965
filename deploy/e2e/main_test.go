// Package e2e tests the pair as people run it: built binaries, a real Redis, the
// official SDK, and containers where there is a Docker engine.
package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// post sends a body to a gateway's chat route and answers the status and body.
func post(t *testing.T, gateway *stack.Gateway, key, body string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body) // a stream that is cut is what some tests want
	return response.StatusCode, response.Header, string(text)
}

// rawStream answers the bytes of a stream.
func rawStream(t *testing.T, gateway *stack.Gateway, model, text string) string {
	t.Helper()
	_, _, body := post(t, gateway, stack.AdminToken, chatBody(model, text, true))
	return body
}

func chatBody(model, text string, stream bool) string {
	body, err := json.Marshal(map[string]any{
		"model": model, "stream": stream, "messages": []map[string]string{{"role": "user", "content": text}},
	})
	if err != nil {
		panic(err) // texts and a bool can be encoded
	}
	return string(body)
}
