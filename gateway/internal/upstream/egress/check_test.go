package egress_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/freeport"
	"carousel.internal/proto/proxysim"
	"carousel.internal/proto/service/secret"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://proxy.example:3128":                   "",
		"http://proxy.example":                        "",
		"http://proxy.example:3128/":                  "",
		"https://user:word@proxy.example":             "",
		"HTTPS://user@proxy.example":                  "",
		"socks5://user:word@192.0.2.1:1080":           "",
		"socks5h://[2001:db8::1]:1080":                "",
		"http://user:p%40ss%3A%2F@proxy.example:3128": "",
		"":                                   "must begin with http://",
		"proxy.example:3128":                 "must begin with http://",
		"user:word@proxy.example:3128":       "must begin with http://",
		"ftp://proxy.example":                "must begin with http://",
		"socks4://proxy.example":             "must begin with http://",
		"http://user:s3/cr@proxy.example":    "is not a URL",
		"http://user:s3%cr@proxy.example":    "is not a URL",
		"http://":                            "has no host",
		"http://:3128":                       "has no host",
		"http://<b>:3128":                    "has no host",
		"http://" + strings.Repeat("a", 254): "has no host",
		"http://proxy.example:0":             "port from 1 to 65535",
		"http://proxy.example:70000":         "port from 1 to 65535",
		"http://proxy.example/path":          "must end after the port",
		"http://proxy.example?x=1":           "must end after the port",
		"http://proxy.example#x":             "must end after the port",
		"http://:word@proxy.example":         "no user name",
		"http://us%3Aer:word@proxy.example":  "no colon",
		"socks5://user@proxy.example":        "1 to 255 bytes",
		"socks5://" + strings.Repeat("u", 256) + ":w@p.example": "1 to 255 bytes",
		"http://proxy.example/" + strings.Repeat("a", 2048):     "longer than 2048 bytes",
	} {
		err := egress.Parse(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "proxy.example")) {
			t.Errorf("%q: the error repeats it: %v", text, err)
		}
	}
}

// A check is a real try: it finds out whether the proxy is there, lets one in, and leads to
// the upstream.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, kind := range proxysim.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			proxy, upstream := newProxy(t, kind), newTarget(t, "HTTP/1.1 over TLS")
			at := func(text string) *url.URL {
				parsed, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				return parsed
			}
			transport := upstream.transport(t, proxy.URL(), proxy)
			for _, through := range []string{"", proxy.URL()} {
				if err := transport.Check(t.Context(), secret.New(through), at(upstream.URL+"/v1")); err != nil {
					t.Error(err)
				}
			}
			if err := upstream.transport(t, "").Check(t.Context(), secret.Value{}, at(upstream.URL)); err != nil || proxy.Counts().Tunnels() != 2 {
				t.Errorf("no proxy: %v, %+v", err, proxy.Counts())
			}
			wantBlame(t, transport.Check(t.Context(), secret.New(proxy.URLFor(user, "x")), at(upstream.URL)), proxy.Address())
			err := transport.Check(t.Context(), secret.New(proxy.URL()), at("http://"+freeport.MustAddr(t)))
			if _, blamed := errors.AsType[*egress.Error](err); err == nil || blamed {
				t.Errorf("an upstream that is not there: %v", err)
			}
			proxy.Close()
			wantBlame(t, transport.Check(t.Context(), secret.New(proxy.URL()), at(upstream.URL)), proxy.Address())
			wantBlame(t, transport.Check(t.Context(), secret.Value{}, at(upstream.URL)), proxy.Address())
			if err := transport.Check(t.Context(), secret.New("x"), at(upstream.URL)); err == nil {
				t.Error("what is no URL is taken")
			}
		})
	}
}
