package app_test

import (
	"bytes"
	"strings"
	"testing"

	"carousel.internal/gateway/app"
)

// Who asks for help gets it at standard output, and no failure.
func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"--help", "serve --help", "help serve", "help config", "help healthcheck", "help version", "config -h"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := app.Main(t.Context(), "v1", strings.Fields(line), &stdout, &stderr)
			if code != 0 || !strings.HasPrefix(stdout.String(), "usage: gateway [--config FILE]") || stderr.Len() > 0 {
				t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
}
