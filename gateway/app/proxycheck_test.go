package app

import (
	"strings"
	"testing"

	"carousel.internal/proto/service/secret"
)

func TestCheckProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ proxy, baseURL, says string }{
		"nobody is there":         {"http://u:pw@127.0.0.1:1", "https://api.example", "can't be reached"},
		"no proxy":                {"ftp://u:pw@127.0.0.1:1", "https://api.example", "proxy"},
		"the driver's own target": {"http://u:pw@127.0.0.1:1", "", ""},
		"no proxy, no target":     {"ftp://u:pw@127.0.0.1:1", "", "http"},
	} {
		err := checkProxy(t.Context(), secret.New(c.proxy), c.baseURL)
		if (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "pw")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
