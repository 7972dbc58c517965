package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"carousel.internal/deploy/e2e/codex"
	"carousel.internal/gateway/grammar"
)

// Judged returns a transport that fails the test where an answer breaks a rule of its
// API's grammar: stream, whole answer or error. Streams of Responses are read as Codex reads
// them besides. Nil as base is http.DefaultTransport.
func Judged(t testing.TB, base http.RoundTripper) http.RoundTripper {
	return &grammar.Transport{
		Base: &codexReads{t, base},
		Options: func(request *http.Request) (grammar.Options, bool) {
			allowed, _ := request.Context().Value(allowance{}).(grammar.Options)
			return allowed, true
		},
		Report: func(request *http.Request, found []grammar.Violation) {
			for _, violation := range found {
				t.Errorf("grammar of the answer to %s: %s", request.URL.Path, violation)
			}
		},
	}
}

// Client is an HTTP client whose answers are judged. It shares its connections with
// http.DefaultClient.
func Client(t testing.TB) *http.Client { return &http.Client{Transport: Judged(t, nil)} }

// allowance is the key of what a context allows answers.
type allowance struct{}

// Allow returns a context for requests whose answers are judged by these options; why says
// what is special about them.
func Allow(ctx context.Context, why string, options grammar.Options) context.Context {
	if why == "" {
		panic("answers are special for a reason only")
	}
	return context.WithValue(ctx, allowance{}, options)
}

// codexReads is a transport whose streams of Responses must be read by Codex without a loss.
type codexReads struct {
	t    testing.TB
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c *codexReads) RoundTrip(request *http.Request) (*http.Response, error) {
	base := c.base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(request)
	if err == nil && strings.HasSuffix(request.URL.Path, "/responses") && strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		response.Body = &codexBody{ReadCloser: response.Body, t: c.t, request: request}
	}
	return response, err
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (c *codexReads) CloseIdleConnections() {
	if base, ok := c.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// codexBody keeps what is read of a stream, and has it read again at its end. A client that hangs
// up closes it while it waits for more.
type codexBody struct {
	io.ReadCloser
	t       testing.TB
	request *http.Request
	mu      sync.Mutex
	kept    bytes.Buffer
	over    bool
}

func (b *codexBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return n, err
	}
	b.kept.Write(p[:n])
	if err != nil {
		b.over = true
		b.judge(errors.Is(err, io.EOF))
	}
	return n, err
}

// Close judges a stream that is left. Codex itself leaves behind the end.
func (b *codexBody) Close() error {
	b.mu.Lock()
	if !b.over {
		b.over = true
		b.judge(false)
	}
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

// judge reports what Codex would lose, and an end of a whole stream that is none to it. Refusals
// are told to it as text, and to others as what they are.
func (b *codexBody) judge(whole bool) {
	allowed, _ := b.request.Context().Value(allowance{}).(grammar.Options)
	answer, err := codex.Read(context.WithoutCancel(b.request.Context()), io.NopCloser(&b.kept), 0)
	for _, dropped := range answer.Dropped {
		if b.request.Header.Get("Originator") != "" || !strings.Contains(dropped, `"refusal"`) {
			b.t.Errorf("Codex drops an item of the answer to %s: %s", b.request.URL.Path, dropped)
		}
	}
	for _, stray := range answer.Stray {
		b.t.Errorf("Codex can't place a part of the answer to %s: %s", b.request.URL.Path, stray)
	}
	failure, told := errors.AsType[*codex.Failure](err)
	if whole && allowed.End != grammar.Aborted && told && failure.Code == "" {
		b.t.Errorf("Codex sees no end of the answer to %s: %v", b.request.URL.Path, failure)
	}
}
