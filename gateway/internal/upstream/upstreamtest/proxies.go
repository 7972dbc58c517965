package upstreamtest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/proxysim"
	"carousel.internal/proto/service/secret"
)

// proxyPassword may show up nowhere.
const proxyPassword = "suite-proxy-password"

// proxySetting is the setting of drivers that holds an upstream's proxy.
const proxySetting = "proxy"

// RunProxies is the suite of drivers whose requests go through proxies: the upstream's, which
// is the setting named proxy, and that of a credential, which comes first.
func RunProxies(t *testing.T, harness Harness) {
	wire := harness.Wire
	// greeting starts an upstream; past counts the requests that did not come through the proxy.
	greeting := func(t *testing.T, proxy *proxysim.Proxy) (s *server, past *atomic.Int64) {
		past = &atomic.Int64{}
		return serve(t, wire, func(x *exchange) {
			if !proxy.Reached(x.r.RemoteAddr) {
				past.Add(1)
			}
			x.begin()
			x.send(wire.stream("Hello"))
		}), past
	}

	for _, kind := range []proxysim.Kind{proxysim.HTTP, proxysim.SOCKS5} {
		t.Run(fmt.Sprintf("a token's requests pass its proxy, %s", kind), func(t *testing.T) {
			t.Parallel()
			own, others := newProxy(t, kind), newProxy(t, proxysim.HTTP)
			s, past := greeting(t, own)
			driver := s.driver(t, harness, map[string]string{proxySetting: others.URL()})
			for range 3 {
				wantText(t, driver, throughProxy(own.URL()), "Hello")
			}
			if own.Counts().Tunnels() == 0 || others.Counts().Connections != 0 || past.Load() != 0 {
				t.Errorf("its proxy: %+v, the upstream's: %+v, past it: %d", own.Counts(), others.Counts(), past.Load())
			}
		})

		t.Run(fmt.Sprintf("others' pass the upstream's, %s", kind), func(t *testing.T) {
			t.Parallel()
			proxy := newProxy(t, kind)
			s, past := greeting(t, proxy)
			driver := s.driver(t, harness, map[string]string{proxySetting: proxy.URL()})
			wantText(t, driver, newCall("hi"), "Hello")
			if proxy.Counts().Tunnels() == 0 || past.Load() != 0 {
				t.Errorf("%+v, past it: %d", proxy.Counts(), past.Load())
			}
		})
	}

	t.Run("one that is dead, or refuses, is at fault by name", func(t *testing.T) {
		t.Parallel()
		proxy := newProxy(t, proxysim.HTTP)
		s, past := greeting(t, proxy)
		driver := s.driver(t, harness, nil)
		wantProxyFailure(t, driver, throughProxy(proxy.URLFor("suite", proxyPassword+"x")), proxy)
		wantText(t, driver, throughProxy(proxy.URL()), "Hello")
		proxy.Close()
		wantProxyFailure(t, driver, throughProxy(proxy.URL()), proxy)
		if past.Load() != 0 {
			t.Error("a request went past the proxy")
		}
	})

	t.Run("what is no proxy's URL is refused, and not repeated", func(t *testing.T) {
		t.Parallel()
		_, err := harness.New("http://127.0.0.1:1", map[string]string{proxySetting: "ftp://suite:" + proxyPassword + "@127.0.0.1"})
		if err == nil || !strings.Contains(err.Error(), "settings.proxy: must begin with") || strings.Contains(err.Error(), proxyPassword) {
			t.Errorf("%v", err)
		}
	})
}

func newProxy(t *testing.T, kind proxysim.Kind) *proxysim.Proxy {
	t.Helper()
	proxy, err := proxysim.Start(proxysim.Options{Kind: kind, User: "suite", Password: proxyPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy
}

// throughProxy is a call with a credential that has a proxy.
func throughProxy(proxy string) *upstream.Call {
	call := newCall("hi")
	call.Credential.Proxy = secret.New(proxy)
	return call
}

// wantProxyFailure fails unless the proxy is at fault, by its address alone.
func wantProxyFailure(t *testing.T, driver upstream.Driver, call *upstream.Call, proxy *proxysim.Proxy) {
	t.Helper()
	got, err := collect(t.Context(), driver, call)
	switch {
	case err != nil:
		t.Error(err)
	case got.failure == nil:
		t.Errorf("ended well with %q", got.text)
	case got.failure.Class != upstream.Proxy || !strings.Contains(got.failure.Message, proxy.Address()):
		t.Errorf("class %q, want %q: %v", got.failure.Class, upstream.Proxy, got.failure)
	case strings.Contains(fmt.Sprintf("%v %+v", got.failure, *got.failure), proxyPassword):
		t.Error("the failure shows the password")
	}
}
