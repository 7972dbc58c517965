package http1

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Where bodies end, what is told of them, and whether the connection serves on.
func TestResponses(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		method  string
		answer  string
		status  int
		body    string
		length  int64
		header  http.Header
		trailer http.Header
		ends    bool // the server hangs up behind the answer
		reused  bool
	}{
		"a length": {
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
			status: 200, body: "hello", length: 5, header: http.Header{"Content-Length": {"5"}}, reused: true,
		},
		"an empty body": {
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200,
			header: http.Header{"Content-Length": {"0"}}, reused: true,
		},
		"chunks": {
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
			status: 200, body: "hello world", length: -1, header: http.Header{}, reused: true,
		},
		"chunks with a trailer": {
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-a, X-B\r\n\r\n5\r\nhello\r\n0\r\nx-a: 1\r\nx-c: 2\r\n\r\n",
			status: 200, body: "hello", length: -1, header: http.Header{}, reused: true,
			trailer: http.Header{"X-A": {"1"}, "X-B": nil, "X-C": {"2"}},
		},
		"up to the connection's end": {
			answer: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello", length: -1, header: http.Header{}, ends: true,
		},
		"the last answer of a connection": {
			answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5,
			header: http.Header{"Content-Length": {"5"}},
		},
		"HTTP/1.0": {
			answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5,
			header: http.Header{"Content-Length": {"5"}},
		},
		"HTTP/1.0 that goes on": {
			answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5,
			header: http.Header{"Content-Length": {"5"}, "Connection": {"keep-alive"}}, reused: true,
		},
		"HEAD": {
			method: http.MethodHead, answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", status: 200, length: 5,
			header: http.Header{"Content-Length": {"5"}}, reused: true,
		},
		"HEAD, of chunks": {
			method: http.MethodHead, answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", status: 200, length: -1,
			header: http.Header{}, reused: true,
		},
		"204": {answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, header: http.Header{}, reused: true},
		"304": {
			answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304,
			header: http.Header{"Content-Length": {"5"}}, reused: true,
		},
		"interim answers": {
			answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
			status: 200, body: "hello", length: 5, header: http.Header{"Content-Length": {"5"}}, reused: true,
		},
		"another protocol": {answer: "HTTP/1.1 101 Switching Protocols\r\n\r\n", status: 101, header: http.Header{}},
		"bare line feeds, no reason, names in any form": {
			answer: "HTTP/1.1 429\nretry-AFTER:  7\t\nx-many: a\nX-MANY: b\ncontent-length: 2\n\nno",
			status: 429, body: "no", length: 2, reused: true,
			header: http.Header{"Retry-After": {"7"}, "X-Many": {"a", "b"}, "Content-Length": {"2"}},
		},
		"something behind the answer": {
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
			status: 200, body: "hello", length: 5, header: http.Header{"Content-Length": {"5"}},
		},
		"something behind chunks": {
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
			status: 200, length: -1, header: http.Header{},
		},
		"a body of 204": {
			answer: "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", status: 204, header: http.Header{"Content-Length": {"4"}},
		},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				said := make(chan struct{}, 2) // an answer, and whatever is behind it
				s := serve(t, func(p *peer) {
					for p.request() != nil {
						if bytewise {
							for _, b := range []byte(c.answer) {
								p.say(string(b))
							}
						} else {
							p.say(c.answer)
						}
						said <- struct{}{}
						if c.ends {
							return
						}
					}
				})
				transport := newTransport(t, &http.Transport{})
				method := http.MethodPost
				if c.method != "" {
					method = c.method
				}
				for range 2 {
					got, body, err := read(transport.RoundTrip(newRequest(t.Context(), t, method, s.url(), "")))
					if err != nil {
						t.Fatal(err)
					}
					if got.StatusCode != c.status || body != c.body || got.ContentLength != c.length {
						t.Errorf("status %d, length %d, %q", got.StatusCode, got.ContentLength, body)
					}
					if diff := cmp.Diff(c.header, got.Header) + cmp.Diff(c.trailer, got.Trailer); diff != "" {
						t.Error(diff)
					}
					<-said
				}
				if reused := s.opened.Load() == 1; reused != c.reused {
					t.Errorf("%d connections for two requests", s.opened.Load())
				}
			})
		}
	}
}

// What could be understood in two ways is an error, and ends the connection.
func TestMalformedResponses(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	chunks := func(body string) string { return ok + "Transfer-Encoding: chunked\r\n\r\n" + body }
	for title, c := range map[string]struct{ answer, words string }{
		"not HTTP":                      {"220 mail.example ESMTP\r\n\r\n", "status line"},
		"HTTP/2":                        {"HTTP/2.0 200 OK\r\n\r\n", "status line"},
		"no status":                     {"HTTP/1.1 OK\r\n\r\n", "status line"},
		"a status with a sign":          {"HTTP/1.1 +20 OK\r\n\r\n", "status line"},
		"a status of four digits":       {"HTTP/1.1 2000 OK\r\n\r\n", "status line"},
		"a status below 100":            {"HTTP/1.1 099 OK\r\n\r\n", "status line"},
		"a line break before":           {"\r\n" + ok + "\r\n", "status line"},
		"two lengths":                   {ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "length"},
		"the same length twice":         {ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "length"},
		"a list of lengths":             {ok + "Content-Length: 5, 5\r\n\r\nhello", "length"},
		"a length with a sign":          {ok + "Content-Length: +5\r\n\r\nhello", "length"},
		"a negative length":             {ok + "Content-Length: -5\r\n\r\nhello", "length"},
		"a length without digits":       {ok + "Content-Length: \r\n\r\nhello", "length"},
		"a length that is too large":    {ok + "Content-Length: 9223372036854775808\r\n\r\nhello", "length"},
		"a length and chunks":           {ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "encoding"},
		"an unknown encoding":           {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", "encoding"},
		"two encodings":                 {ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "encoding"},
		"chunks in HTTP/1.0":            {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "encoding"},
		"a folded field":                {ok + "X-A: 1\r\n 2\r\n\r\n", "another line"},
		"a folded first field":          {ok + " X-A: 1\r\n\r\n", "another line"},
		"a field without a colon":       {ok + "X-A\r\n\r\n", "no name"},
		"a field without a name":        {ok + ": 1\r\n\r\n", "no name"},
		"a blank behind a name":         {ok + "Content-Length : 5\r\n\r\nhello", "no name"},
		"a value with a null":           {ok + "X-A: 1\x002\r\n\r\n", "control"},
		"a value with a bare return":    {ok + "X-A: 1\rX-B: 2\r\n\r\n", "control"},
		"a trailer of framing":          {ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "trailer"},
		"a size that is none":           {chunks("x\r\nhello\r\n0\r\n\r\n"), "size"},
		"an empty size":                 {chunks("\r\nhello\r\n0\r\n\r\n"), "size"},
		"a size with a sign":            {chunks("+5\r\nhello\r\n0\r\n\r\n"), "size"},
		"a size of C":                   {chunks("0x5\r\nhello\r\n0\r\n\r\n"), "size"},
		"a size that is too large":      {chunks("1000000000000005\r\nhello\r\n0\r\n\r\n"), "size"},
		"a blank before a size":         {chunks(" 5\r\nhello\r\n0\r\n\r\n"), "size"},
		"a size with a bare line feed":  {chunks("5\nhello\r\n0\r\n\r\n"), "size"},
		"a size with a bare return":     {chunks("5\r5\r\nhello\r\n0\r\n\r\n"), "size"},
		"a return in an extension":      {chunks("5;x\ry\r\nhello\r\n0\r\n\r\n"), "size"},
		"a chunk that is longer":        {chunks("5\r\nhello!\r\n0\r\n\r\n"), "length"},
		"a chunk with a bare line feed": {chunks("5\r\nhello\n0\r\n\r\n"), "length"},
		"a long extension":              {chunks("5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n"), "too long"},
		"many extensions":               {chunks(strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\nx\r\n", 20) + "0\r\n\r\n"), "too much"},
		"a trailer of bare line feeds":  {chunks("0\r\nX-A: 1\n\n"), "trailer"},
		"a trailer that is none":        {chunks("0\r\nnothing\r\n\r\n"), "no name"},
		"a long trailer":                {chunks("0\r\nX-A: " + strings.Repeat("x", 5000) + "\r\n\r\n"), "trailer"},
		"a large head":                  {ok + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 300) + "\r\n", "256 KiB"},
		"interim answers without end":   {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 1000)+"\r\n\r\n", 300), "256 KiB"},
		"cut in the head":               {ok + "X-A: ", "unexpected EOF"},
		"cut in the status":             {"HTTP/1.1 2", "unexpected EOF"},
		"cut behind an interim answer":  {"HTTP/1.1 100 Continue\r\n\r\n", "unexpected EOF"},
		"cut in the body":               {ok + "Content-Length: 5\r\n\r\nhell", "unexpected EOF"},
		"cut in a chunk":                {chunks("5\r\nhel"), "unexpected EOF"},
		"cut behind a chunk":            {chunks("5\r\nhello\r\n"), "unexpected EOF"},
		"cut before the trailer's end":  {chunks("5\r\nhello\r\n0\r\n"), "unexpected EOF"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(p *peer) {
				if p.request() != nil {
					p.say(c.answer)
				}
				if tcp, is := p.Conn.(interface{ CloseWrite() error }); is {
					_ = tcp.CloseWrite()
				}
				p.gone()
			})
			transport := newTransport(t, &http.Transport{})
			_, body, err := ask(t, transport, s.url())
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%q, %v; want %q", body, err, c.words)
			}
			if whole := "hello"; strings.Contains(c.answer, whole) && !strings.HasPrefix(whole, body) {
				t.Errorf("%q was handed on", body)
			}
			s.awaitClosed(t)
			if len(kept(transport)) != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

// A reader that takes little at a time gets the same.
func TestSmallReads(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 1000)
	for title, answer := range map[string]string{
		"a length": "HTTP/1.1 200 OK\r\nContent-Length: 16000\r\n\r\n" + long,
		"chunks":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + long[:1000] + "\r\n3A98\r\n" + long[1000:] + "\r\n0\r\n\r\n",
		"no end":   "HTTP/1.1 200 OK\r\n\r\n" + long,
	} {
		for _, size := range []int{1, 2, 3, 7, 1024, 4096, 100000} {
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(p *peer) {
					if p.request() != nil {
						p.say(answer)
					}
				})
				response, err := newTransport(t, &http.Transport{}).RoundTrip(newRequest(t.Context(), t, http.MethodGet, s.url(), ""))
				if err != nil {
					t.Fatal(err)
				}
				var got []byte
				piece := make([]byte, size)
				for err == nil {
					var n int
					n, err = response.Body.Read(piece)
					got = append(got, piece[:n]...)
				}
				if err != io.EOF || string(got) != long { //nolint:errorlint // a Reader does not wrap it
					t.Errorf("%v after %d bytes", err, len(got))
				}
				if n, err := response.Body.Read(piece); n != 0 || err != io.EOF {
					t.Errorf("behind the end: %d bytes, %v", n, err)
				}
			})
		}
	}
}

// However chunks are cut, the same data come out of them.
func TestChunksAreCutAnywhere(t *testing.T) {
	t.Parallel()
	const body = "5\r\nhello\r\n0D;x\r\n world, again\r\n1\t\r\n!\r\n0;y=\"z\"\r\nX-A: 1\r\n\r\nmore"
	const want = "hello world, again!"
	for first := range len(body) {
		for second := first; second < len(body); second++ {
			var c chunked
			var got []byte
			behind := 0
			for _, part := range []string{body[:first], body[first:second], body[second:]} {
				piece := []byte(part)
				n, surplus, err := c.decode(piece)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, piece[:n]...)
				behind += surplus
			}
			if string(got) != want || behind != len("more") || !slices.Equal(c.trailer, []byte("X-A: 1\r\n\r\n")) {
				t.Fatalf("cut at %d and %d: %q, %d behind, trailer %q", first, second, got, behind, c.trailer)
			}
		}
	}
}
