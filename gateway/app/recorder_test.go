package app

import (
	"testing"

	"carousel.internal/gateway/internal/accesslog"
	"carousel.internal/gateway/internal/reqlog"
)

func TestHowARequestWasServed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entry reqlog.Entry
		want  accesslog.Served
	}{
		"refused": {reqlog.Entry{Upstream: "u"}, accesslog.Served{Upstream: "u"}},
		"at once": {
			reqlog.Entry{Upstream: "u", TokenID: "t", Attempts: 1, AttemptLog: []reqlog.Attempt{{}}},
			accesslog.Served{Upstream: "u", TokenID: "t", Attempts: 1, Class: "success"},
		},
		"in vain": {
			reqlog.Entry{Upstream: "u", TokenID: "t", Attempts: 2, AttemptLog: []reqlog.Attempt{{Class: "auth"}, {Class: "rate_limit"}}},
			accesslog.Served{Upstream: "u", TokenID: "t", Attempts: 2, Class: "rate_limit"},
		},
	} {
		if got := servedOf(&c.entry); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
