package forwarded_test

import (
	"net/http"
	"testing"

	"carousel.internal/gateway/internal/forwarded"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		remote, host string
		want         bool
	}{
		{"127.0.0.1:5", "localhost:3000", true},
		{"127.0.0.1:5", "LocalHost", true},
		{"127.9.9.9:5", "127.0.0.1:3000", true},
		{"[::1]:5", "[::1]:3000", true},
		{"[::1]:5", "[::1]", true},
		{"[::ffff:127.0.0.1]:5", "127.0.0.1", true},
		{"192.0.2.1:5", "localhost:3000", false},
		{"127.0.0.1:5", "carousel.example:3000", false},
		{"127.0.0.1:5", "localhost.example", false},
		{"127.0.0.1:5", "127.0.0.1.example", false},
		{"127.0.0.1:5", "192.0.2.1:3000", false},
		{"127.0.0.1:5", "", false},
		{"@", "localhost:3000", false},
	} {
		r := &http.Request{RemoteAddr: test.remote, Host: test.host, Header: http.Header{}}
		if got := forwarded.Local(r); got != test.want {
			t.Errorf("from %s to %q: %t", test.remote, test.host, got)
		}
	}
}
