package config_test

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/config"
)

func TestCertificates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cert, key, ca string
		// problem begins the error; empty: there is none.
		problem string
		tls     bool
	}{
		"none":                    {"", "", "", "", false},
		"the tokenstore's alone":  {"", "", "ca.crt", "", true},
		"both services'":          {"tls.crt", "tls.key", "ca.crt", "", true},
		"half a pair":             {"tls.crt", "", "ca.crt", "tokenstore_tls_key_file: ", true},
		"a pair to nobody's name": {"tls.crt", "tls.key", "", "tokenstore_tls_ca_file: ", false},
	} {
		set := map[string]string{"TOKENSTORE_TLS_CERT_FILE": c.cert, "TOKENSTORE_TLS_KEY_FILE": c.key, "TOKENSTORE_TLS_CA_FILE": c.ca}
		got, err := config.Load("", func(name string) (string, bool) { value, known := set[name]; return value, known })
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.HasPrefix(err.Error(), c.problem)) || got.TLS() != c.tls {
			t.Errorf("%s: TLS %v, %v", name, got.TLS(), err)
		}
	}
}
