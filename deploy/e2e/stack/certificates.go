package stack

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Certificates runs the tokenstore's command of that name, and returns what it says.
func Certificates(t testing.TB, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), Binary(t, "tokenstore"), append([]string{"certificates"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

// TLSEnv are the keys that name a service's files in a folder that Certificates has made.
func TLSEnv(folder, service string) []string {
	at := filepath.Join(folder, service)
	return []string{
		"TOKENSTORE_TLS_CERT_FILE=" + filepath.Join(at, "tls.crt"), "TOKENSTORE_TLS_KEY_FILE=" + filepath.Join(at, "tls.key"),
		"TOKENSTORE_TLS_CA_FILE=" + filepath.Join(at, "ca.crt"),
	}
}
