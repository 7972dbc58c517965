package httpapi_test

import (
	"net/http"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/httpapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// judged is the public port, which fails the test when an answer breaks a rule of its
// API's grammar. Benchmarks measure the port alone.
func judged(t testing.TB, deps httpapi.Deps) http.Handler {
	port := httpapi.New(deps)
	if _, measured := t.(*testing.B); measured {
		return port
	}
	return &grammar.Handler{
		Handler: port,
		Options: func(*http.Request) (grammar.Options, bool) {
			return grammar.Options{NoFinish: leavesOutFinish(deps.Settings())}, true
		},
		Report: func(request *http.Request, found []grammar.Violation) {
			for _, violation := range found {
				t.Errorf("grammar of the answer to %s: %s", request.URL.Path, violation)
			}
		},
	}
}

func leavesOutFinish(settings *tokenstorev1.Settings) bool {
	return settings != nil && !settings.GetIncludeStopStream()
}
