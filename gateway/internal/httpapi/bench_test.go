package httpapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
)

// discard is the cheapest possible client.
type discard struct{ header http.Header }

func (d discard) Header() http.Header              { return d.header }
func (discard) WriteHeader(int)                    {}
func (discard) Write(p []byte) (int, error)        { return len(p), nil }
func (discard) Flush()                             {}
func (discard) SetWriteDeadline(_ time.Time) error { return nil }
func (discard) SetReadDeadline(_ time.Time) error  { return nil }

// What the edge itself costs a request, without net/http and without an
// upstream, in three ways to log:
//
//	go test -run '^$' -bench Edge ./internal/httpapi
func BenchmarkEdge(b *testing.B) {
	words := make([]chat.Event, 0, 50)
	for range 49 {
		words = append(words, chat.Event{Text: " word"})
	}
	words = append(words, chat.Event{Finish: chat.Stop, Usage: &chat.Usage{Prompt: 3, Completion: 49}})
	buffered := accesslog.NewBuffer(io.Discard, 100*time.Millisecond)
	defer func() { _ = buffered.Close() }()
	logs := []struct {
		name   string
		logger *slog.Logger
	}{
		{"log", slog.New(slog.NewJSONHandler(buffered, nil))},
		{"nolog", slog.New(slog.DiscardHandler)},
	}
	for _, log := range logs {
		for name, body := range map[string]string{"whole": hello, "stream": helloStream} {
			b.Run(name+"/"+log.name, func(b *testing.B) {
				e := newEdge(b, says(nil, words...), func(d *httpapi.Deps) { d.Access = accesslog.New(log.logger) })
				r := request(b, "POST", "/v1/chat/completions", key, body)
				b.ReportAllocs()
				for b.Loop() {
					r.Body = io.NopCloser(strings.NewReader(body))
					e.ServeHTTP(discard{http.Header{}}, r)
				}
			})
		}
	}
}
