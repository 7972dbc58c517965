package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
	"carousel.internal/proto/freeport"
)

// balanced starts HAProxy with the project's own configuration in front of the gateways, its
// patience with clients cut short, and returns its address.
func balanced(t *testing.T, gateways ...*stack.Gateway) string {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("REQUIRE_HAPROXY") == "1" {
			t.Fatal(err)
		}
		t.Skip("there is no haproxy")
	}
	config, err := os.ReadFile("../docker/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	text, port, opsPort := string(config), freeport.MustPort(t), freeport.MustPort(t)
	var servers []string
	for i, gateway := range gateways {
		servers = append(servers, fmt.Sprintf("server gateway%d %s check port %s", i+1, host(gateway.URL), strings.Split(host(gateway.Ops), ":")[1]))
	}
	for _, change := range [][2]string{
		{"bind :3000", "bind 127.0.0.1:" + port},
		{"bind :8404", "bind 127.0.0.1:" + opsPort},
		{"timeout client 60s", "timeout client 2s"},
		{"timeout http-request 15s", "timeout http-request 2s"},
		{
			`server-template gateway "1-${MAX_GATEWAYS}" gateway:3000 check port 9090 resolvers docker init-addr none`,
			strings.Join(servers, "\n    "),
		},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.Fatalf("haproxy.cfg does not have %q once", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "-db", "-f", file)
	command.Env = append(os.Environ(), "FRONT_PROXIES=")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return "127.0.0.1:" + port
}

// host is the host and port of an address, with a scheme or without.
func host(address string) string {
	_, after, found := strings.Cut(address, "://")
	if !found {
		return address
	}
	return after
}

// A Messages request may be as large as its API allows, on its whole way; one that is larger
// is told so in that API's words.
func TestTheBalancerLetsLargeBodiesThrough(t *testing.T) {
	const most = 32 << 20
	s := stack.Start(t, stack.Options{})
	s.AddTokens("openai", "b", 1, 0)
	addr := balanced(t, s.Gateways[0])
	s.Eventually("the balancer serves", 10*time.Second, func() bool {
		status, _ := stack.Readyz(t.Context(), addr) // it has no such route: any answer will do
		return status == http.StatusNotFound
	})
	front := &stack.Gateway{Process: s.Gateways[0].Process, URL: "http://" + addr}
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
	s := stack.Start(t, stack.Options{GatewayEnv: []string{"READ_TIMEOUT=2s"}})
	s.AddTokens("openai", "b", 1, 0)
	if err := s.Sim.SetRule(upstreamsim.Rule{Delay: 6 * time.Second}); err != nil {
		t.Fatal(err)
	}
	addr := balanced(t, s.Gateways[0])
	s.Eventually("the balancer serves", 10*time.Second, func() bool {
		answer, err := stack.Client(t).Get("http://" + addr + "/health")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
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
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		asking.Go(func() {
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, request)
			if answer, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: the connection is held: %.100q", name, answer)
			}
		})
	}
	asking.Go(func() {
		got := &stack.Gateway{Process: s.Gateways[0].Process, URL: "http://" + addr}
		began := time.Now()
		if answer := send(t, got, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "x", false), nil); answer.status != http.StatusOK || time.Since(began) < 6*time.Second {
			t.Errorf("an upstream that thinks: %d after %s", answer.status, time.Since(began))
		}
	})
	asking.Wait()
}
