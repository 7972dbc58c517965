package stack

import (
	"context"
	"net/http"
	"testing"

	"carousel.internal/gateway/grammar"
)

// Judged returns a transport that fails the test where an answer breaks a rule of its
// API's grammar: stream, whole answer or error. Nil as base is http.DefaultTransport.
func Judged(t testing.TB, base http.RoundTripper) http.RoundTripper {
	return &grammar.Transport{
		Base: base,
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
