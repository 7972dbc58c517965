package main

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// scripted is a connection that answers from a text, in pieces of a size.
type scripted struct {
	net.Conn
	text *strings.Reader
	size int
}

func (s *scripted) Read(into []byte) (int, error) {
	return s.text.Read(into[:min(len(into), s.size)])
}

func TestReceiveReadsAnswersInPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ answer, body, problem string }{
		"length":         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", "hello", ""},
		"empty":          {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", ""},
		"chunks":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nB;x=y\r\n, the world\r\n0\r\n\r\n", "hello, the world", ""},
		"overload":       {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "", errTooSlow.Error()},
		"status":         {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "", "502"},
		"no length":      {"HTTP/1.1 200 OK\r\n\r\n", "", "neither"},
		"cut off":        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "", "unexpected EOF"},
		"no last chunk":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", "unexpected EOF"},
		"bad chunk size": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n", "", "chunk's size"},
		"long chunk":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", "", "chunk should end"},
		"too much":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", "", "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1, 2, 7, 1 << 10} {
				c := &connection{Conn: &scripted{text: strings.NewReader(test.answer), size: size}, buffer: make([]byte, 64)}
				var body bytes.Buffer
				got, err := c.receive(time.Now(), &body)
				switch {
				case test.problem == "" && (err != nil || body.String() != test.body || got.body.length != len(test.body)):
					t.Errorf("in pieces of %d: %q, %d bytes, %v", size, body.String(), got.body.length, err)
				case test.problem != "" && size == 1<<10 && (err == nil || !strings.Contains(err.Error(), test.problem)):
					t.Errorf("in pieces of %d: error %v, want one with %q", size, err, test.problem)
				}
			}
		})
	}
}

func TestReceiveRefusesAHeadBeyondTheBuffer(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 100) + "\r\n\r\n"
	c := &connection{Conn: &scripted{text: strings.NewReader(answer), size: 1 << 10}, buffer: make([]byte, 64)}
	if _, err := c.receive(time.Now(), nil); err == nil {
		t.Error("no error")
	}
}

func TestTallyRemembersTheEnd(t *testing.T) {
	t.Parallel()
	text := "data: {}\n\n" + streamEnd
	for size := 1; size <= len(text); size++ {
		var body tally
		for piece := range slices.Chunk([]byte(text), size) {
			body.add(piece)
		}
		if string(body.tail[:]) != streamEnd || body.length != len(text) {
			t.Errorf("in pieces of %d: %d bytes, the end %q", size, body.length, body.tail)
		}
	}
}
