package proxysim

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"carousel.internal/proto/freeport"
)

// start starts a proxy, and an upstream that tells who its client is.
func start(t *testing.T, kind Kind) (*Proxy, *httptest.Server) {
	t.Helper()
	proxy, err := Start(Options{Kind: kind, User: "user", Password: "word:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	upstream := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RemoteAddr)
	}))
	t.Cleanup(upstream.Close)
	return proxy, upstream
}

// get asks through a proxy as the standard library does it.
func get(t *testing.T, proxy *Proxy, through, at string, upstream *httptest.Server) (string, error) {
	t.Helper()
	parsed, err := url.Parse(through)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(upstream.Certificate())
	roots.AppendCertsFromPEM(proxy.CertificatePEM())
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(parsed), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	return string(said), err
}

func TestWhatPassesIsCounted(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			proxy, upstream := start(t, kind)
			for range 2 {
				client, err := get(t, proxy, proxy.URL(), upstream.URL, upstream)
				if err != nil || !proxy.Reached(client) {
					t.Fatalf("the upstream's client is %q, %v", client, err)
				}
			}
			counts := proxy.Counts()
			address := upstream.Listener.Addr().String()
			if counts.Connections != 2 || counts.Refused != 0 || counts.Targets[address] != 2 || counts.Tunnels() != 2 {
				t.Errorf("%+v", counts)
			}
			if counts.Sent == 0 || counts.Received < int64(2*len(address)) {
				t.Errorf("%+v", counts)
			}
			if proxy.Reached("192.0.2.1:1") {
				t.Error("it says that it is everybody")
			}
		})
	}
}

func TestOthersAreRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		for title, through := range map[string][2]string{
			"wrong password": {"user", "word:2"}, "wrong user": {"usher", "word:1"}, "none": {},
		} {
			t.Run(fmt.Sprintf("%s, %s", kind, title), func(t *testing.T) {
				t.Parallel()
				proxy, upstream := start(t, kind)
				_, err := get(t, proxy, proxy.URLFor(through[0], through[1]), upstream.URL, upstream)
				if counts := proxy.Counts(); err == nil || counts.Refused != 1 || counts.Tunnels() != 0 {
					t.Errorf("%v, %+v", err, counts)
				}
			})
		}
	}
}

func TestAnOpenProxyTakesEverybody(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		proxy, err := Start(Options{Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(proxy.Close)
		_, upstream := start(t, HTTP)
		for _, through := range []string{proxy.URL(), proxy.URLFor("user", "word")} {
			if _, err := get(t, proxy, through, upstream.URL, upstream); err != nil {
				t.Errorf("%s: %v", through, err)
			}
		}
	}
}

func TestATargetThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		proxy, upstream := start(t, kind)
		_, err := get(t, proxy, proxy.URL(), "https://"+freeport.MustAddr(t), upstream)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), map[Kind]string{SOCKS5: "refused"}[kind]) || proxy.Counts().Tunnels() != 0 {
			t.Errorf("%s: %v, %+v", kind, err, proxy.Counts())
		}
	}
}

// A proxy that is killed has nothing left that runs; it comes back where it was.
func TestKillingAndStartingAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		proxy, upstream := start(t, kind)
		at := proxy.URL()
		for range 3 {
			if _, err := get(t, proxy, at, upstream.URL, upstream); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if err := proxy.Reopen(); err == nil {
				t.Error("it opens twice")
			}
			proxy.Close()
			proxy.Close()
			if _, err := get(t, proxy, at, upstream.URL, upstream); err == nil {
				t.Errorf("%s serves when it is dead", kind)
			}
			if err := proxy.Reopen(); err != nil {
				t.Fatal(err)
			}
		}
		if proxy.URL() != at || proxy.Counts().Tunnels() != 3 {
			t.Errorf("%s, %+v", proxy.URL(), proxy.Counts())
		}
	}
}
