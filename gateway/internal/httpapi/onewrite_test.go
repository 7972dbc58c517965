package httpapi_test

import (
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/gather"
)

// countedWrites are connections whose writes are counted.
type countedWrites struct {
	net.Listener
	writes atomic.Int64
}

func (l *countedWrites) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countedConn{conn, &l.writes}, err
}

type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// A whole answer leaves with its header in one write, as far as there is room to gather it; a
// larger one is no less whole.
func TestAWholeAnswerIsOneWrite(t *testing.T) {
	t.Parallel()
	for size, most := range map[int]int64{10: 1, 1 << 10: 1, 3 << 10: 1, 4 << 10: 1, 20 << 10: 1, 100 << 10: 2} {
		text := strings.Repeat("a", size)
		e := newEdge(t, says(nil, chat.Event{Text: text, Open: &chat.Block{}}, chat.Event{Finish: chat.Stop, Close: true, Usage: &chat.Usage{Prompt: 3, Completion: 2}}), nil)
		server := httptest.NewUnstartedServer(e)
		counted := &countedWrites{Listener: server.Listener}
		server.Listener, server.Config.ConnContext = gather.Listener(counted), gather.Context
		server.Start()
		t.Cleanup(server.Close)
		for range 3 { // on one connection
			counted.writes.Store(0)
			answer := send(t, server, "POST", "/v1/chat/completions", strings.NewReader(hello))
			body, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err != nil || answer.StatusCode != 200 || !strings.Contains(string(body), text) {
				t.Errorf("%d bytes: %d %v", size, answer.StatusCode, err)
			}
			if writes := counted.writes.Load(); writes > most {
				t.Errorf("%d bytes: %d writes", size, writes)
			}
		}
	}
}
