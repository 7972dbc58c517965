package http1

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkRoundTrip is a request and its answer, whole or as a stream of 50 pieces, beside what
// net/http takes for it.
func BenchmarkRoundTrip(b *testing.B) {
	const event = `data: {"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}` + "\n\n"
	fields := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 29 Nov 2026 04:00:00 GMT\r\nX-Request-Id: 1\r\nOpenai-Version: 2\r\n"
	stream := []string{fields + "Transfer-Encoding: chunked\r\n\r\n"}
	for range 50 {
		stream = append(stream, "52\r\n"+event+"\r\n")
	}
	for name, answer := range map[string][]string{
		"plain":  {fields + "Content-Length: 400\r\n\r\n" + strings.Repeat("x", 400)},
		"stream": append(stream, "0\r\n\r\n"),
	} {
		s := serve(b, func(p *peer) {
			room := make([]byte, 8<<10)
			for {
				if _, err := p.Conn.Read(room); err != nil { // a request comes in one piece
					return
				}
				for _, piece := range answer {
					if _, err := io.WriteString(p.Conn, piece); err != nil {
						return
					}
				}
			}
		})
		for client, transport := range map[string]interface {
			http.RoundTripper
			CloseIdleConnections()
		}{
			"http1":    New(&http.Transport{}),
			"net_http": &http.Transport{DisableCompression: true, DialContext: new(net.Dialer).DialContext},
		} {
			b.Run(name+"/"+client, func(b *testing.B) {
				b.ReportAllocs()
				question, room := bytes.Repeat([]byte("x"), 500), make([]byte, 16<<10)
				for b.Loop() {
					if err := exchangeOnce(transport, s.url(), question, room); err != nil {
						b.Fatal(err)
					}
				}
				transport.CloseIdleConnections()
			})
		}
	}
}

func exchangeOnce(transport http.RoundTripper, url string, question, room []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(question))
	if err != nil {
		return err
	}
	request.Header = http.Header{"User-Agent": {"carousel"}, "Accept": {"*/*"}, "Authorization": {"Bearer x"}, "Content-Type": {"application/json"}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = response.Body.Read(room)
	}
	_ = response.Body.Close()
	if err == io.EOF { //nolint:errorlint // a Reader does not wrap it
		return nil
	}
	return err
}
