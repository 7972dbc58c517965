package streamchat

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// BenchmarkStream reads an answer of 1,000 pieces of text: what a piece costs is a
// thousandth of it.
func BenchmarkStream(b *testing.B) {
	answer := append(bytes.Repeat(textFrame("a few words "), 1000), endFrame("{}")...)
	d := newClient("https://upstream.test", transportFunc(func(*http.Request) (*http.Response, error) {
		return responseOf(io.NopCloser(bytes.NewReader(answer))), nil
	}))
	call := callOf(said(chat.User, "Hi"))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range d.Chat(b.Context(), call) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
