package cursor

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	"carousel.internal/proto/service/secret"
)

// tunnel is a proxy that leads to wherever it is asked, and counts how often.
func tunnel(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("the proxy is asked %s", r.Method)
			return
		}
		asked.Add(1)
		target, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		defer func() { _ = target.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(target, buffered) }()
		_, _ = io.Copy(conn, target)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// Whatever is asked with a token goes through its proxy; of a dead one the token is not to blame.
func TestTheTokensProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", frameType)
		wire := agentWire()
		_, _ = w.Write(append(wire.Text("Hi"), wire.End...))
	}))
	upstreamtest.OverHTTP2(server)
	server.Start()
	defer server.Close()
	proxy, asked := tunnel(t)
	made, err := New(upstream.Config{BaseURL: server.URL, Settings: map[string]string{"protocol": "agent"}})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	call := func(proxy string) (string, *upstream.Failure) {
		var text string
		for event, err := range made.Chat(t.Context(), &upstream.Call{
			Request: &chat.Request{Messages: []chat.Message{said(chat.User, "Hi")}}, Model: "composer-2.5",
			Credential: upstream.Credential{Secret: secret.New("token"), Proxy: secret.New(proxy)},
		}) {
			if failure, is := errors.AsType[*upstream.Failure](err); is {
				return text, failure
			}
			text += event.Text
		}
		return text, nil
	}
	if text, failure := call(proxy); text != "Hi" || failure != nil || asked.Load() != 1 {
		t.Errorf("%q, %v; the proxy was asked %d times", text, failure, asked.Load())
	}
	const dead = "http://user:hidden@127.0.0.1:1"
	if _, failure := call(dead); failure == nil || failure.Class != upstream.Proxy || strings.Contains(failure.Error(), "hidden") {
		t.Errorf("a dead proxy: %v", failure)
	}
	_, err = made.Models(t.Context(), upstream.Credential{Secret: secret.New("token"), Proxy: secret.New(dead)})
	if failure, is := errors.AsType[*upstream.Failure](err); !is || failure.Class != upstream.Proxy {
		t.Errorf("its models through a dead proxy: %v", err)
	}
	_, err = made.(upstream.Renewer).Renew(t.Context(), secret.New("refresh"), secret.New(dead))
	if _, is := errors.AsType[*egress.Error](err); !is || errors.Is(err, upstream.ErrRefused) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a renewal through a dead proxy: %v", err)
	}
	_, err = made.(upstream.Logins).PollLogin(t.Context(), upstream.LoginAttempt{}, secret.New(dead))
	if _, is := errors.AsType[*egress.Error](err); !is {
		t.Errorf("a login through a dead proxy: %v", err)
	}
	_, err = made.(upstream.Accounts).Account(t.Context(), upstream.Credential{Secret: secret.New("token"), Proxy: secret.New(dead)}, upstream.Options{})
	if err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("an account through a dead proxy: %v", err)
	}
	if text, failure := call(""); text != "Hi" || failure != nil || asked.Load() != 1 {
		t.Errorf("%q, %v without a proxy, which was asked %d times", text, failure, asked.Load())
	}
}

// A proxy must lead to both places that requests go to, each of which is tried once.
func TestCheckProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		settings map[string]string
		tunnels  int64
		fails    bool
	}{
		"one place":          {map[string]string{"protocol": "agent"}, 1, false},
		"two places":         {map[string]string{"protocol": "agent", "agent_base_url": elsewhere.URL}, 2, false},
		"the second is gone": {map[string]string{"protocol": "agent", "agent_base_url": gone.URL}, 2, true},
		"the other protocol": {map[string]string{"protocol": "chat", "agent_base_url": gone.URL}, 1, false},
		"another path there": {map[string]string{"protocol": "agent", "agent_base_url": server.URL + "/agent"}, 1, false},
	} {
		proxy, asked := tunnel(t)
		made, err := New(upstream.Config{BaseURL: server.URL, Settings: c.settings})
		if err != nil {
			t.Fatal(err)
		}
		checker := made.(upstream.ProxyChecker)
		if err := checker.CheckProxy(t.Context(), secret.New(proxy)); (err != nil) != c.fails || asked.Load() != c.tunnels {
			t.Errorf("%s: %v, %d tunnels", name, err, asked.Load())
		}
		err = checker.CheckProxy(t.Context(), secret.New("http://user:hidden@127.0.0.1:1"))
		if _, blamed := errors.AsType[*egress.Error](err); !blamed || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: a dead proxy: %v", name, err)
		}
		if err := checker.CheckProxy(t.Context(), secret.Value{}); err != nil {
			t.Errorf("%s: no proxy: %v", name, err)
		}
		made.Close()
	}
}

func TestAProxyThatIsNone(t *testing.T) {
	t.Parallel()
	_, err := New(upstream.Config{Settings: map[string]string{"proxy": "ftp://user:hidden@x"}})
	if err == nil || !strings.HasPrefix(err.Error(), "settings.proxy: ") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}
