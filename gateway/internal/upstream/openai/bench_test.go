package openai

import (
	"io"
	"testing"

	"carousel.internal/gateway/internal/upstream/eventstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const benchChunk = `data: {"id":"chatcmpl-8f3a","object":"chat.completion.chunk","created":1763800000,"model":"gpt-4o-2024-08-06",` +
	`"service_tier":"default","system_fingerprint":"fp_b376dfbbd5","choices":[{"index":0,"delta":{"content":" world"},` +
	`"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

// repeated gives the same stream for ever.
type repeated struct {
	stream string
	at     int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.stream[r.at:])
	r.at = (r.at + n) % len(r.stream)
	return n, nil
}

var _ io.Reader = (*repeated)(nil)

// The one allocation is the text.
func BenchmarkChunk(b *testing.B) {
	events := eventstream.NewReader(&repeated{stream: benchChunk}, wire.MaxAnswer)
	var a attempt
	b.SetBytes(int64(len(benchChunk)))
	b.ReportAllocs()
	for b.Loop() {
		got, err := events.Next()
		if err != nil {
			b.Fatal(err)
		}
		if _, _, failure := a.read(got); failure != nil {
			b.Fatal(failure)
		}
	}
}

// The one allocation is the text.
func BenchmarkResponsesDelta(b *testing.B) {
	data := []byte(`{"type":"response.output_text.delta","item_id":"msg_68a1","output_index":0,"content_index":0,"delta":" world","logprobs":[],"sequence_number":7,"obfuscation":"Yq3n"}`)
	var following responsesAnswer
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, ok := readResponseFrame(data)
		if !ok || len(following.take(&f)) == 0 {
			b.Fatal("no event")
		}
	}
}
