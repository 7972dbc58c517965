package anthropic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/proxysim"
	"carousel.internal/proto/service/secret"
)

// Whatever is asked with a token goes through its proxy.
func TestSideRequestsPassTheProxy(t *testing.T) {
	t.Parallel()
	proxy, err := proxysim.Start(proxysim.Options{Kind: proxysim.SOCKS5, User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	var past, served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if !proxy.Reached(r.RemoteAddr) {
			past.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/count_tokens") {
			_, _ = io.WriteString(w, `{"input_tokens":7}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":[],"has_more":false}`)
	}))
	t.Cleanup(server.Close)
	made, err := New(upstream.Config{Name: "test", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	driver := made.(*Driver)
	call := nativeCall(`{"model":"claude"}`, false)
	call.Credential.Proxy = secret.New(proxy.URL())
	if _, err := driver.Models(t.Context(), call.Credential); err != nil {
		t.Error(err)
	}
	if tokens, err := driver.CountTokens(t.Context(), call); err != nil || tokens != 7 {
		t.Errorf("%d, %v", tokens, err)
	}
	if err := driver.CheckProxy(t.Context(), call.Credential.Proxy); err != nil {
		t.Error(err)
	}
	if served.Load() != 2 || past.Load() != 0 {
		t.Errorf("%d requests, %d of them past the proxy", served.Load(), past.Load())
	}
}
