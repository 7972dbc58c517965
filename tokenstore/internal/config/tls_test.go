package config_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"carousel.internal/tokenstore/internal/config"
)

func TestCertificates(t *testing.T) {
	t.Parallel()
	pair := map[string]string{"TOKENSTORE_TLS_CERT_FILE": "tls.crt", "TOKENSTORE_TLS_KEY_FILE": "tls.key"}
	with := func(more ...string) map[string]string {
		set := maps.Clone(pair)
		for i := 0; i < len(more); i += 2 {
			set[more[i]] = more[i+1]
		}
		return set
	}
	for name, c := range map[string]struct {
		environ map[string]string
		// problem is in the error; empty: there is none.
		problem string
	}{
		"a certificate needs a secret beside it":   {pair, "tokenstore_secret: required"},
		"a certificate and the secret":             {with("TOKENSTORE_SECRET", sharedSecret), ""},
		"callers' certificates need no secret":     {with("TOKENSTORE_TLS_CA_FILE", "ca.crt"), ""},
		"those who move over still show it":        {with("TOKENSTORE_TLS_CA_FILE", "ca.crt", "TOKENSTORE_TLS_PLAINTEXT", "true"), "tokenstore_secret: required"},
		"both":                                     {with("TOKENSTORE_TLS_CA_FILE", "ca.crt", "TOKENSTORE_TLS_PLAINTEXT", "true", "TOKENSTORE_SECRET", sharedSecret), ""},
		"a short secret, though nobody is asked":   {with("TOKENSTORE_TLS_CA_FILE", "ca.crt", "TOKENSTORE_SECRET", "short"), "tokenstore_secret: at least 16"},
		"half a pair":                              {map[string]string{"TOKENSTORE_SECRET": sharedSecret, "TOKENSTORE_TLS_CERT_FILE": "tls.crt"}, "tokenstore_tls_key_file: "},
		"the other half":                           {map[string]string{"TOKENSTORE_SECRET": sharedSecret, "TOKENSTORE_TLS_KEY_FILE": "tls.key"}, "tokenstore_tls_key_file: "},
		"certificates are asked for over TLS only": {map[string]string{"TOKENSTORE_SECRET": sharedSecret, "TOKENSTORE_TLS_CA_FILE": "ca.crt"}, "tokenstore_tls_ca_file: "},
		"everything is plaintext anyway":           {map[string]string{"TOKENSTORE_SECRET": sharedSecret, "TOKENSTORE_TLS_PLAINTEXT": "true"}, "tokenstore_tls_plaintext: "},
		"gateways without a name":                  {with("TOKENSTORE_TLS_CA_FILE", "ca.crt", "TOKENSTORE_TLS_GATEWAYS", " , "), "tokenstore_tls_gateways: "},
		"a connection that does not last":          {map[string]string{"TOKENSTORE_SECRET": sharedSecret, "CONNECTION_AGE": "1ms"}, "connection_age: 1s to 24h"},
	} {
		_, err := config.Load("", environment(c.environ))
		if c.problem == "" && err != nil || c.problem != "" && (err == nil || !strings.HasPrefix(err.Error(), c.problem)) {
			t.Errorf("%s: %v, want %q", name, err, c.problem)
		}
	}
	got, err := config.Load("", environment(with("TOKENSTORE_TLS_CA_FILE", "ca.crt", "TOKENSTORE_TLS_GATEWAYS", "gateway, gateway.example,", "TOKENSTORE_TLS_ADMINS", "a")))
	if err != nil || !slices.Equal(got.GatewayNames(), []string{"gateway", "gateway.example"}) || !slices.Equal(got.AdminNames(), []string{"a"}) {
		t.Errorf("names %q, %q, %v", got.GatewayNames(), got.AdminNames(), err)
	}
}

func TestTokenFilesCanBeOff(t *testing.T) {
	t.Parallel()
	for off, want := range map[string][2]string{"true": {".token", ".token-list"}, "false": {}} {
		got, err := config.Load("", environment(map[string]string{"TOKENSTORE_SECRET": sharedSecret, "TOKEN_FILES": off}))
		if err != nil || got.TokenFilePath() != want[0] || got.TokenListPath() != want[1] {
			t.Errorf("TOKEN_FILES=%s: %q, %q, %v", off, got.TokenFilePath(), got.TokenListPath(), err)
		}
	}
}
