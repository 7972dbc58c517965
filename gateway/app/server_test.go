package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const adminKey = "sk-right-and-long-enough"

// started is a gateway that runs, without a tokenstore.
func started(t *testing.T, settings map[string]string) *Gateway {
	t.Helper()
	all := map[string]string{
		"PORT": "0", "OPS_ADDR": "127.0.0.1:0", "TOKENSTORE_ADDR": "127.0.0.1:1", "AUTH_TOKEN": adminKey,
		"DRAIN_DELAY": "0s", "SHUTDOWN_GRACE": "1s", "STORE_TIMEOUT": "200ms",
	}
	for name, value := range settings {
		all[name] = value
	}
	cfg, err := LoadConfig("", func(name string) (string, bool) { value, set := all[name]; return value, set })
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := New(Options{Config: cfg, Version: "test", Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return gateway
}

// local is the address of a port that listens on all interfaces.
func local(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// unfinished are requests whose body is announced and does not come, one of each kind.
var unfinished = map[string]string{
	"chat":                "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nContent-Length: 1000",
	"chat, chunked":       "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nTransfer-Encoding: chunked",
	"chat, gzip":          "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nContent-Encoding: gzip\r\nContent-Length: 1000",
	"chat, no key":        "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1000",
	"chat, a wrong key":   "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer wrong\r\nContent-Length: 1000",
	"chat, too large":     "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nContent-Length: 99000000000",
	"chat, expects":       "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nExpect: 100-continue\r\nContent-Length: 1000",
	"no key, expects":     "POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000",
	"expects the unknown": "POST /v1/chat/completions HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 1000",
	"no route":            "POST /nowhere HTTP/1.1\r\nContent-Length: 1000",
	"no route, chunked":   "POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked",
	"wrong method":        "PUT /v1/chat/completions HTTP/1.1\r\nContent-Length: 1000",
	"GET with a body":     "GET /health HTTP/1.1\r\nContent-Length: 1000",
	"the login form":      "POST /admin/login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000",
	"preferences":         "POST /admin/preferences HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000",
	"the admin API":       "PATCH /admin/api/settings HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nContent-Length: 1000",
	"the admin API, none": "PATCH /admin/api/settings HTTP/1.1\r\nContent-Length: 1000",
	"token files":         "POST /update-tokeninfo HTTP/1.1\r\nAuthorization: Bearer " + adminKey + "\r\nContent-Length: 1000",
	"a page":              "GET /admin/ HTTP/1.1\r\nContent-Length: 1000",
}

// A body that is announced and does not come holds no connection for long, on any route,
// with a key or without.
func TestSlowBodiesEnd(t *testing.T) {
	t.Parallel()
	gateway := started(t, map[string]string{"READ_TIMEOUT": "500ms"})
	addr := local(t, gateway.Addr())
	conns := map[string]net.Conn{}
	const longest = time.Minute // of a busy machine; connections without a bound are kept for longer
	began := time.Now()
	for name, head := range unfinished {
		conns[name] = dial(t, addr)
		_ = conns[name].SetDeadline(began.Add(longest))
		body := "{"
		switch {
		case strings.Contains(head, "chunked"):
			body = "100\r\n{"
		case strings.Contains(head, "Expect"):
			body = ""
		}
		_, _ = fmt.Fprintf(conns[name], "%s\r\nHost: x\r\n\r\n%s", head, body)
	}
	for name, conn := range conns {
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s: the connection is held: %v after %s, %q", name, err, time.Since(began), answer)
		}
		if !strings.Contains(string(answer), "HTTP/1.1 ") || strings.Contains(string(answer), "HTTP/1.1 499") || !strings.Contains(string(answer), "Connection: close") {
			t.Errorf("%s: no answer that ends the connection: %q", name, answer)
		}
	}
}

// More connections than there is room for leave the ops port alone, and end.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	gateway := started(t, map[string]string{"READ_TIMEOUT": "1s", "MAX_CONNECTIONS": "16"})
	addr := local(t, gateway.Addr())
	for range 60 {
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	}
	if status := get(t, "http://"+gateway.opsPort.Addr().String()+"/livez"); status != http.StatusOK {
		t.Errorf("the ops port: %d", status)
	}
	if status := get(t, "http://"+addr+"/health"); status != http.StatusOK {
		t.Errorf("the public port: %d", status)
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // less than an idle connection is kept for
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestConnectionsWithin(t *testing.T) {
	t.Parallel()
	for descriptors, want := range map[uint64]int{0: 16, 64: 16, 200: 68, 1024: 480, 1 << 20: 10_000, 1<<64 - 1: 10_000} {
		if got := connectionsWithin(descriptors); got != want {
			t.Errorf("%d descriptors: %d, want %d", descriptors, got, want)
		}
	}
	if got := connectionLimit(77); got != 77 {
		t.Errorf("what is configured: %d", got)
	}
}

// Near the limit no connection is kept without a request.
func TestTheCrowdIsThinnedOut(t *testing.T) {
	t.Parallel()
	gateway := started(t, map[string]string{"MAX_CONNECTIONS": "16"})
	addr := local(t, gateway.Addr())
	const ask = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 16 { // each of them would be kept for two minutes
		conn := dial(t, addr)
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(conn, ask)
		if _, err := conn.Read(make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
	}
	if status := get(t, "http://"+addr+"/health"); status != http.StatusOK {
		t.Errorf("%d", status)
	}
}
