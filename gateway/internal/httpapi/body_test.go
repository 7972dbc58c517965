package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/httpapi"
)

const mebibyte = 1 << 20

// limited is a server that takes bodies of a mebibyte.
func limited(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(limitedEdge(t))
	t.Cleanup(server.Close)
	return server
}

func limitedEdge(t *testing.T) *edge {
	t.Helper()
	return newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Options.BodyLimit = mebibyte })
}

// limitedPipe is limited without a network.
func limitedPipe(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(limitedEdge(t))
	_ = server.Listener.Close()
	listener := newPipes()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	transport, _ := server.Client().Transport.(*http.Transport)
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return listener.dial(), nil }
	return server
}

// padded is a chat request of the given size.
func padded(size int) string {
	const head, tail = `{"model":"gpt-4o","messages":[{"role":"user","content":"`, `"}]}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// A body that is too large is refused, and read away where that is not much: then the connection
// answers the next request. It is one without a network, on which nothing is lost that was sent
// before the server hung up.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := limitedPipe(t)
		for _, c := range []struct { // in order: they share a connection
			name   string
			body   io.Reader
			status int
			again  bool // the connection answers the next request
		}{
			{"at the limit", strings.NewReader(padded(mebibyte)), 200, true},
			{"one byte over", strings.NewReader(padded(mebibyte + 1)), 413, true},
			{"ten times over", strings.NewReader(padded(10 * mebibyte)), 413, true},
			{"over, no length announced", io.MultiReader(strings.NewReader(padded(2 * mebibyte))), 413, true},
			{"far over", strings.NewReader(padded(40 * mebibyte)), 413, false},
		} {
			answer := send(t, server, "POST", "/v1/chat/completions", c.body)
			body := read(t, answer)
			if answer.StatusCode != c.status {
				t.Fatalf("%s: %d %s", c.name, answer.StatusCode, body)
			}
			if c.status == 413 {
				if object := errorOf(t, []byte(body)); object.Error.Code != "request_too_large" || object.Error.Message != "the request body is larger than 1 MiB" {
					t.Errorf("%s: %s", c.name, body)
				}
			}
			if answer.Close == c.again {
				t.Errorf("%s: Connection: close is %v", c.name, answer.Close)
			}
			if reused := health(t, server); reused != c.again {
				t.Errorf("%s: the connection was used again: %v", c.name, reused)
			}
		}
	})
}

// larger is a dialect whose clients count on bodies of 2 MiB.
type larger struct{ dialect.Dialect }

func (larger) BodyLimit() int64 { return 2 * mebibyte }

// A dialect's own limit counts where it is more, unless the other one was chosen. There is
// room for such a body, however little memory is given.
func TestADialectsBodyLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit       int64
		chosen      bool
		size, wants int
	}{
		"more than all":      {mebibyte, false, 2 * mebibyte, 200},
		"even more":          {mebibyte, false, 2*mebibyte + 1, 413},
		"less than all":      {3 * mebibyte, false, 3 * mebibyte, 200},
		"another was chosen": {mebibyte, true, mebibyte + 1, 413},
	} {
		e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) {
			d.Dialects = []dialect.Dialect{larger{d.Dialects[0]}}
			d.Options.BodyLimit, d.Options.BodyLimitChosen, d.Options.BodyMemory = c.limit, c.chosen, 1
		})
		body := []byte(padded(c.size))
		for coding, packed := range map[string][]byte{"": body, "gzip": zipped(string(body)), "zstd": zstandard(t, body)} {
			r := request(t, "POST", "/v1/chat/completions", key, string(packed))
			r.Header.Set("Content-Encoding", coding)
			if w := do(t, e, r); w.Code != c.wants {
				t.Errorf("%s, packed with %q: %d %.200s", name, coding, w.Code, w.Body)
			}
		}
	}
}

func zstandard(t *testing.T, body []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return encoder.EncodeAll(body, nil)
}

// health asks for /health and tells whether that took a connection that was
// there.
func health(t *testing.T, server *httptest.Server) (reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})
	r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if read(t, answer); answer.StatusCode != 200 {
		t.Error(answer.Status)
	}
	return reused
}

// A client that asks before it sends a body is told at once.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	server := limited(t)
	conn := dial(t, server)
	_, _ = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", key, 5*mebibyte)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, answer); answer.StatusCode != 413 || !answer.Close {
		t.Errorf("%s, close %v: %s", answer.Status, answer.Close, body)
	}
}

func dial(t *testing.T, server *httptest.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Options.ReadTimeout = 50 * time.Millisecond }))
	t.Cleanup(server.Close)
	conn := dial(t, server)
	_, _ = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 100\r\n\r\n{", key)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, answer); answer.StatusCode != 400 || !strings.Contains(body, "too long to arrive") {
		t.Errorf("%s %s", answer.Status, body)
	}
}

func TestContentEncoding(t *testing.T) {
	t.Parallel()
	server := limited(t)
	cases := []struct {
		name, encoding string
		body           []byte
		status         int
	}{
		{"gzip", "gzip", zipped(hello), 200},
		{"identity", "identity", []byte(hello), 200},
		{"a bomb", "gzip", zipped(padded(5 * mebibyte)), 413},
		{"not gzip", "gzip", []byte(hello), 400},
		{"cut short", "gzip", zipped(hello)[:30], 400},
		{"gzip in capitals", "GZIP", zipped(hello), 200},
		{"x-gzip", "x-gzip", zipped(hello), 200},
		{"identity in another case", "Identity", []byte(hello), 200},
		{"a list", "identity, gzip", zipped(hello), 200},
		{"twice", "gzip, gzip", zipped(string(zipped(hello))), 200},
		{"br", "br", []byte(hello), 415},
		{"not zstd", "zstd", []byte(hello), 400},
		{"not deflate", "deflate", []byte(hello), 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/chat/completions", bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", key)
			r.Header.Set("Content-Encoding", c.encoding)
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body := read(t, answer)
			if answer.StatusCode != c.status {
				t.Errorf("%d %s", answer.StatusCode, body)
			}
			if c.status != 200 {
				errorOf(t, []byte(body))
			}
			if told := answer.Header.Get("Accept-Encoding"); (told == "zstd, gzip, deflate, identity") != (c.status == 415) {
				t.Errorf("Accept-Encoding: %q", told)
			}
		})
	}
}

func zipped(text string) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = io.WriteString(writer, text)
	_ = writer.Close()
	return out.Bytes()
}

// A client that hangs up in the middle of its body is nobody's error.
func TestHangUpWhileSending(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	ctx, hangUp := context.WithCancel(t.Context())
	body, client := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1/chat/completions", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", key)
	go func() {
		_, _ = io.WriteString(client, "{")
		hangUp()
		_ = client.CloseWithError(errors.New("gone"))
	}()
	if answer, err := server.Client().Do(r); err == nil {
		_ = answer.Body.Close()
	}
	server.Close() // waits for the handler
	if strings.Contains(e.log.String(), `"level":"ERROR"`) || strings.Contains(e.log.String(), `"level":"WARN"`) {
		t.Errorf("log: %s", e.log)
	}
}

// While there is no room for one more body, requests are told to come again; then there is.
func TestBodiesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	const size = 4 * mebibyte
	entered, leave := make(chan bool), make(chan bool)
	holding := relay(func(_ context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
		entered <- true
		<-leave
		says(nil, greeting...)(context.Background(), nil, yield)
	})
	server := httptest.NewServer(newEdge(t, holding, func(d *httpapi.Deps) {
		d.Options.BodyLimit, d.Options.BodyMemory = size, 5*size
	}))
	t.Cleanup(server.Close)
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() { read(t, send(t, server, "POST", "/v1/chat/completions", strings.NewReader(padded(size)))) })
		<-entered
	}
	answer := send(t, server, "POST", "/v1/chat/completions", strings.NewReader(padded(size)))
	if object := errorOf(t, []byte(read(t, answer))); answer.StatusCode != 503 || answer.Header.Get("Retry-After") != "1" || answer.Close || object.Error.Code != "overloaded" {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
	small := make(chan int)
	go func() {
		answer := send(t, server, "POST", "/v1/chat/completions", strings.NewReader(hello))
		read(t, answer)
		small <- answer.StatusCode
	}()
	<-entered // there is room for it
	close(leave)
	if status := <-small; status != 200 {
		t.Errorf("a small one: %d", status)
	}
	done.Wait()
	go func() { <-entered }()
	answer = send(t, server, "POST", "/v1/chat/completions", strings.NewReader(padded(size)))
	if read(t, answer); answer.StatusCode != 200 {
		t.Errorf("afterwards: %s", answer.Status)
	}
}
