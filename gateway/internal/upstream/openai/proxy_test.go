package openai

import (
	"io"
	"net/http"
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
	driver := upstreamOf(t, nil, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if !proxy.Reached(r.RemoteAddr) {
			past.Add(1)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
	})
	credential := upstream.Credential{Secret: secret.New("key"), Proxy: secret.New(proxy.URL())}
	if _, err := driver.Models(t.Context(), credential); err != nil { // which asks for the Responses API, too
		t.Error(err)
	}
	for _, once := range []bool{false, true} {
		call := rawCall("embeddings", `{}`)
		call.Credential, call.Once = credential, once
		if _, _, failure := passed(t, driver, call); failure != nil {
			t.Error(failure)
		}
	}
	if err := driver.CheckProxy(t.Context(), credential.Proxy); err != nil {
		t.Error(err)
	}
	if served.Load() != 4 || past.Load() != 0 {
		t.Errorf("%d requests, %d of them past the proxy", served.Load(), past.Load())
	}
}
