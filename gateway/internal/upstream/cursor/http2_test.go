package cursor

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Today's protocol is spoken over HTTP/2 or not at all.
func TestOverHTTP2Alone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tls, http2, works bool
	}{
		"by agreement":             {true, true, true},
		"unasked":                  {false, true, true},
		"a server of the old one":  {false, false, false},
		"the old one, and with it": {true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.WriteString(w, r.Proto); err != nil {
					t.Error(err)
				}
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(!test.http2)
			server.Config.Protocols.SetHTTP2(test.http2)
			server.Config.Protocols.SetUnencryptedHTTP2(test.http2)
			server.EnableHTTP2 = test.http2
			pool := overHTTP2(defaultConnect)
			defer pool.CloseIdleConnections()
			if test.tls {
				server.StartTLS()
				roots := x509.NewCertPool()
				roots.AddCert(server.Certificate())
				pool.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			} else {
				server.Start()
			}
			defer server.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := pool.RoundTrip(request)
			if err != nil {
				if test.works {
					t.Error(err)
				}
				return
			}
			defer func() { _ = response.Body.Close() }()
			if said, err := io.ReadAll(response.Body); err != nil || (string(said) == "HTTP/2.0") != test.works {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}
