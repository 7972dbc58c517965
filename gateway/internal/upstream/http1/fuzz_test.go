package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// recorded is a connection on which something has been said, and then hung up.
type recorded struct{ io.Reader }

func (recorded) Write(p []byte) (int, error)      { return len(p), nil }
func (recorded) Close() error                     { return nil }
func (recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recorded) SetDeadline(time.Time) error      { return nil }
func (recorded) SetReadDeadline(time.Time) error  { return nil }
func (recorded) SetWriteDeadline(time.Time) error { return nil }

// outcome is what somebody has read of a response.
type outcome struct {
	Status           string
	Code             int
	Proto            string
	Header, Trailer  http.Header
	Length           int64
	TransferEncoding []string
	Close            bool
	Body             string
}

func outcomeOf(response *http.Response) (*outcome, error) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return &outcome{
		response.Status, response.StatusCode, response.Proto, response.Header, response.Trailer, response.ContentLength,
		response.TransferEncoding, response.Close, string(body),
	}, err
}

// ours reads the first final response from what a server has said.
func ours(method string, said io.Reader) (*outcome, error) {
	c := &conn{Conn: recorded{said}, pool: &idle{}, cut: func() {}}
	x := &exchange{ctx: context.Background(), conn: c, stop: func() bool { return true }}
	if err := x.receive(&http.Request{Method: method}); err != nil {
		return nil, err
	}
	return outcomeOf(&x.response)
}

// theirs is the same, as net/http reads.
func theirs(method string, said []byte) (*outcome, error) {
	reader := bufio.NewReader(bytes.NewReader(said))
	for {
		response, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if response.StatusCode/100 == 1 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		return outcomeOf(response)
	}
}

// FuzzResponse: what is taken for a response is the same to net/http, and it does not depend on how
// it is cut.
func FuzzResponse(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello more",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-a: 1\r\nX-b: 2\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
		"HTTP/1.0 200 \r\nConnection: keep-alive, x\r\nX-a:1\r\nx-A: 2 \n\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\nPragma: no-cache\r\n\r\n",
		"HTTP/1.1 304 x\nConnection: Close\nTransfer-Encoding: Chunked\n\n0\r\n\r\n",
		"HTTP/1.1 101 y\r\nUpgrade: x\r\n\r\n",
	} {
		f.Add(false, []byte(answer))
		f.Add(true, []byte(answer))
	}
	f.Fuzz(func(t *testing.T, head bool, said []byte) {
		method := http.MethodPost
		if head {
			method = http.MethodHead
		}
		agree(t, method, said)
	})
}

// agree fails unless a response is the same to all who read it, however it is cut, and reports
// whether it was one.
func agree(t interface {
	Fatalf(format string, args ...any)
}, method string, said []byte,
) bool {
	got, err := ours(method, bytes.NewReader(said))
	inBytes, errInBytes := ours(method, iotest.OneByteReader(bytes.NewReader(said)))
	if (err == nil) != (errInBytes == nil) {
		t.Fatalf("%q: %v; byte by byte %v", said, err, errInBytes)
	}
	if err != nil {
		return false
	}
	if diff := cmp.Diff(got, inBytes); diff != "" {
		t.Fatalf("%q: byte by byte it is another one:\n%s", said, diff)
	}
	want, err := theirs(method, said)
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", said, err)
	}
	pragma := want.Header["Pragma"]
	if len(pragma) > 0 && pragma[0] == "no-cache" && len(got.Header["Cache-Control"]) == 0 {
		delete(want.Header, "Cache-Control") // which net/http adds
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q: net/http reads another one:\n%s", said, diff)
	}
	return true
}

// pieces are what responses, good and bad ones, are put together of.
var pieces = struct{ first, fields, ends, bodies []string }{
	first: []string{
		"HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204", "HTTP/1.1 304 x", "HTTP/1.1 101 y", "HTTP/1.1 200  two blanks ",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 \xff", "HTTP/2.0 200 OK", "HTTP/1.1 20", "HTTP/1.1  200 OK",
	},
	fields: []string{
		"Content-Length: 5", "Content-Length:5", "content-length: 05", "Content-Length: 0", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length:",
		"Transfer-Encoding: chunked", "transfer-encoding: Chunked", "Transfer-Encoding: identity", "Transfer-Encoding:\tchunked ", "Transfer-Encoding: chunked,",
		"Connection: close", "Connection: keep-alive", "connection: X, Close", "Trailer: X-A", "Trailer: , X-B,x-c", "Trailer: Host", "Trailer: Content-Length",
		"X-A: 1", "x-a: 2", "X-A : 3", "X-A:", " folded", ": none", "nothing", "X-B: a\tb", "X-B: a\x00b", "X-B: a\x7fb", "X-B: \xe4", "X_C.d: 1", "Pragma: no-cache",
	},
	ends: []string{"\r\n", "\r\n", "\r\n", "\n", "\r\r\n"},
	bodies: []string{
		"", "hello", "hello, and more", "5\r\nhello\r\n0\r\n\r\n", "5;x=y\r\nhello\r\n0\r\nX-A: 1\r\n\r\n", "05 \r\nhello\r\n00\r\n\r\nmore",
		"5\nhello\n0\n\n", "5\r\nhello0\r\n\r\n", "a\r\nhello\r\n0\r\n\r\n", "0\r\nX-A: 1\r\nX-B\r\n\r\n", "0\r\nX-A: 1\r\n\tmore\r\n\r\n", "0\r\n\n",
		"5 ;x\r\nhello\r\n0\r\n\r\n", "0\r\nX-A: 1\n\r\n\r\n", "0\r\n X-A: 1\r\n\r\n",
	},
}

// What is put together of good and bad pieces is the same to net/http wherever it is taken.
func TestLikeNetHTTP(t *testing.T) {
	t.Parallel()
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom(pieces.ends)
		said := rapid.SampledFrom(pieces.first).Draw(t, "first") + end.Draw(t, "end")
		for _, field := range rapid.SliceOfN(rapid.SampledFrom(pieces.fields), 0, 4).Draw(t, "fields") {
			said += field + end.Draw(t, "end")
		}
		said += end.Draw(t, "end") + rapid.SampledFrom(pieces.bodies).Draw(t, "body")
		if agree(t, rapid.SampledFrom([]string{http.MethodPost, http.MethodHead}).Draw(t, "method"), []byte(said)) {
			taken++
		}
	})
	if taken == 0 {
		t.Error("nothing was taken for a response")
	}
}

// FuzzRequest: whatever is sent, the server reads one request, the one that was meant.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/chat", "a=b", "X-A", "1", "hello")
	f.Add("GET", "/", "", "Content-Length", "7", "")
	f.Add("POST", "/x y", "a b", "X-A:", "1\r\nX-B: 2", "GET / HTTP/1.1\r\n\r\n")
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://upstream.example/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Method, request.URL.Path, request.URL.RawQuery = method, path, query
		request.Header[name] = []string{value}
		if body == "" {
			request.Body, request.ContentLength = nil, 0
		}
		if !New(&http.Transport{}).Carries(request) {
			return
		}
		m, err := newMessage(request, true)
		if err != nil {
			return
		}
		reader := bufio.NewReader(bytes.NewReader(m.data))
		got, err := http.ReadRequest(reader)
		if err != nil {
			t.Skip(err) // a path or a method that servers refuse
		}
		sent, err := io.ReadAll(got.Body)
		if err != nil || string(sent) != body || reader.Buffered() != 0 {
			t.Errorf("%q, %v, and %d bytes behind it", sent, err, reader.Buffered())
		}
		if got.Host != "upstream.example" || len(got.Header) > 2 || len(got.TransferEncoding) > 0 {
			t.Errorf("%q became %+v", m.data, got)
		}
	})
}
