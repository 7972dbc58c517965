package upstreamsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// discard is a response that goes nowhere.
type discard struct{ header http.Header }

func (d discard) Header() http.Header             { return d.header }
func (d discard) WriteHeader(int)                 {}
func (d discard) Write(event []byte) (int, error) { return len(event), nil }
func (d discard) Flush()                          {}

// The simulator's own cost is measured without a connection:
//
//	go test -run - -bench . ./upstreamsim
func BenchmarkCompletions(b *testing.B) {
	for name, body := range map[string]map[string]any{
		"object":    ask("gpt-4o", hello, false),
		"stream 50": ask("sim-count-50", hello, true),
	} {
		b.Run(name, func(b *testing.B) {
			serveAgain(b, body, openAIRequest(b.Context(), b, "http://sim", "sk-1", body))
		})
	}
}

func BenchmarkMessages(b *testing.B) {
	for name, body := range map[string]object{
		"message":   saying("claude-sonnet-4-5", hello),
		"stream 50": saying("sim-count-50", hello, streamed),
	} {
		b.Run(name, func(b *testing.B) {
			serveAgain(b, body, messagesRequest(b.Context(), b, "http://sim", messagesPath, body))
		})
	}
}

// serveAgain serves a request with that body again and again.
func serveAgain(b *testing.B, body any, request *http.Request) {
	b.Helper()
	sim := New(Options{})
	raw, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	reader := bytes.NewReader(raw)
	request.Body = io.NopCloser(reader)
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(raw)
		sim.ServeHTTP(discard{http.Header{}}, request)
	}
	if counts := sim.Ledger().Total; counts.Violations > 0 {
		b.Fatalf("%+v", counts)
	}
}
