package e2e_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// A Messages request may be as large as its API allows, on its whole way; one that is larger
// is told so in that API's words.
func TestTheBalancerLetsLargeBodiesThrough(t *testing.T) {
	t.Parallel()
	const most = 32 << 20
	s := stack.Start(t, stack.Options{})
	s.AddTokens("openai", "b", 1, 0)
	front := stack.Balance(t, s.Gateways[0])
	const head, tail = `{"model":"sim-count-50","max_tokens":9,"messages":[{"role":"user","content":"`, `"}]}`
	for size, want := range map[int]struct {
		status int
		says   string
	}{most: {http.StatusOK, `"stop_reason"`}, most + 1: {http.StatusRequestEntityTooLarge, "request_too_large"}} {
		body := head + strings.Repeat("a line of text  ", size/16)[:size-len(head)-len(tail)] + tail
		if got := send(t, front, http.MethodPost, "/v1/messages", stack.AdminToken, body, nil); got.status != want.status || !strings.Contains(string(got.body), want.says) {
			t.Errorf("%d bytes: %d %.300s", size, got.status, got.body)
		}
	}
}

// Through the balancer, too, no client holds a connection by what it does not send, also not
// when it has its answer already; an upstream may think for as long as it wants.
func TestTheBalancerWaitsForNoClient(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{GatewayEnv: []string{"READ_TIMEOUT=2s"}})
	s.AddTokens("openai", "b", 1, 0)
	if err := s.Sim.SetRule(upstreamsim.Rule{Delay: 8 * time.Second}); err != nil {
		t.Fatal(err)
	}
	front := stack.Balance(t, s.Gateways[0])
	addr := strings.TrimPrefix(front.URL, "http://")
	long := strings.Repeat("x", 40<<10) // more than the balancer keeps before it asks a gateway
	key := "Authorization: Bearer " + stack.AdminToken + "\r\n"
	var asking sync.WaitGroup
	for name, request := range map[string]string{
		"nothing":           "",
		"half a header":     "POST /v1/chat/completions HTTP/1.1\r\nHost:",
		"short, no key":     "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{",
		"long, no key":      "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + long,
		"long, with a key":  "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + key + "Content-Length: 500000\r\n\r\n" + long,
		"long, no route":    "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nf000\r\n" + long,
		"long, login":       "POST /admin/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500000\r\n\r\n" + long,
		"expected, no body": "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + key + "Expect: 100-continue\r\nContent-Length: 500\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(stack.Slack + 20*time.Second))
		asking.Go(func() {
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, request)
			if answer, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the connection is held: %.100q", name, answer)
			}
		})
	}
	asking.Go(func() {
		began := time.Now()
		if answer := send(t, front, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "x", false), nil); answer.status != http.StatusOK || time.Since(began) < 8*time.Second {
			t.Errorf("an upstream that thinks: %d after %s", answer.status, time.Since(began))
		}
	})
	asking.Wait()
}
