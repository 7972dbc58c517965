package agent

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// BenchmarkRun reads an answer of 1,000 pieces of text: what a piece costs is a thousandth of
// it.
func BenchmarkRun(b *testing.B) {
	var answer []byte
	answer = append(answer, bytes.Repeat(vectorOf(b, "text-Hi"), 1000)...)
	answer = append(answer, vectorOf(b, "turn-ended")...)
	answer = append(answer, vectorOf(b, "end")...)
	c := clientOf("http://upstream.test", pipes(func(_ *http.Request, body *io.PipeWriter) {
		_, _ = body.Write(answer)
		_ = body.Close()
	}))
	call := callOf()
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range c.Chat(b.Context(), call) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
