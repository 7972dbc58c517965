package forwarded_test

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/forwarded"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	const peer = "10.0.0.1:5"
	for _, test := range []struct {
		name, trusted, remote string
		chain                 []string
		want                  string
	}{
		{"nobody is believed by default", "", peer, []string{"198.51.100.1"}, peer},
		{"not even this machine", "", "127.0.0.1:5", []string{"198.51.100.1"}, "127.0.0.1:5"},
		{"a stranger is not believed", "10.0.0.0/8", "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1:5"},
		{"a proxy is", "10.0.0.0/8", peer, []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"an address is a network, too", "10.0.0.1", peer, []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"private", "private", "[::1]:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"IPv4 within IPv6", "10.0.0.0/8", "[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"a network of IPv4 within IPv6", "::ffff:10.0.0.0/104", peer, []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"an address of IPv4 within IPv6", "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:5", []string{"::ffff:198.51.100.1"}, "198.51.100.1:0"},
		{"what the client made up", "10.0.0.0/8", peer, []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1:0"},
		{"in a line of its own", "10.0.0.0/8", peer, []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1:0"},
		{"two proxies", "10.0.0.0/8", peer, []string{"203.0.113.9, 198.51.100.1, 10.9.9.9"}, "198.51.100.1:0"},
		{"proxies all the way", "10.0.0.0/8", peer, []string{"10.2.2.2, 10.9.9.9"}, "10.2.2.2:0"},
		{"nonsense ends the chain", "10.0.0.0/8", peer, []string{"198.51.100.1, unknown"}, peer},
		{"nothing said", "10.0.0.0/8", peer, nil, peer},
		{"with a port", "10.0.0.0/8", peer, []string{"198.51.100.1:7777"}, "198.51.100.1:0"},
		{"IPv6", "10.0.0.0/8", peer, []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		{"IPv6 with a port", "10.0.0.0/8", peer, []string{"[2001:db8::7]:7777"}, "[2001:db8::7]:0"},
		{"no address", "private", "@", []string{"198.51.100.1"}, "@"},
	} {
		proxies, err := forwarded.ParseProxies(test.trusted)
		if err != nil {
			t.Fatal(test.name, err)
		}
		r := &http.Request{RemoteAddr: test.remote, Header: http.Header{}}
		for _, line := range test.chain {
			r.Header.Add("X-Forwarded-For", line)
		}
		if proxies.Resolve(r); r.RemoteAddr != test.want {
			t.Errorf("%s: %s, want %s", test.name, r.RemoteAddr, test.want)
		}
	}
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	proxies, err := forwarded.ParseProxies("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, remote, proto string
		tls                 *tls.ConnectionState
		want                bool
	}{
		{"plain", "10.0.0.1:5", "", nil, false},
		{"here", "192.0.2.1:5", "", &tls.ConnectionState{}, true},
		{"at a proxy", "10.0.0.1:5", "HTTPS", nil, true},
		{"at the first of two", "10.0.0.1:5", "https, http", nil, true},
		{"not at a proxy", "10.0.0.1:5", "http", nil, false},
		{"says a stranger", "192.0.2.1:5", "https", nil, false},
	} {
		r := &http.Request{RemoteAddr: test.remote, TLS: test.tls, Header: http.Header{}}
		if test.proto != "" {
			r.Header.Set("X-Forwarded-Proto", test.proto)
		}
		proxies.Resolve(r)
		if got := forwarded.Encrypted(r); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

func TestParseProxies(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"10.0.0.0/99", "everyone", "10.0.0.0/8,,x", "0.0.0.0:80", "::ffff:0.0.0.0/64", strings.Repeat("10.0.0.1,", 101)} {
		if _, err := forwarded.ParseProxies(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if proxies, err := forwarded.ParseProxies(" 10.0.0.0/8 , 2001:db8::/32,,192.0.2.1 "); err != nil || len(proxies) != 3 {
		t.Errorf("%v, %v", proxies, err)
	}
}
