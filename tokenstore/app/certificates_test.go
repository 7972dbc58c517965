package app_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"carousel.internal/tokenstore/app"
)

func TestCertificatesCommand(t *testing.T) {
	t.Parallel()
	run := func(ctx context.Context, args ...string) (code int, stdout, stderr string) {
		var out, problems strings.Builder
		code = app.Main(ctx, "tokenstore", "test", append([]string{"certificates"}, args...), &out, &problems)
		return code, out.String(), problems.String()
	}
	folder := filepath.Join(t.TempDir(), "tls")
	code, stdout, stderr := run(t.Context(), "--hosts", "store.example", folder)
	if code != 0 || strings.Count(stdout, "\n") != 4 || stderr != "" {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	for _, name := range []string{"tokenstore", "gateway", "admin"} {
		for _, file := range []string{"tls.crt", "tls.key", "ca.crt"} {
			if _, err := os.Stat(filepath.Join(folder, name, file)); err != nil {
				t.Error(err)
			}
		}
	}
	if code, stdout, _ := run(t.Context(), folder); code != 0 || stdout != "" {
		t.Errorf("the second time: %d\n%s", code, stdout)
	}
	for _, says := range []string{"the next authority is trusted", "the next authority signs", "is not trusted any more"} {
		if code, stdout, stderr := run(t.Context(), "--rotate", folder); code != 0 || !strings.Contains(stdout, says) {
			t.Errorf("%d\n%s%s", code, stdout, stderr)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if code, _, stderr := run(stopped, "--every", "24h", folder); code != 0 {
		t.Errorf("stopped: %d %s", code, stderr)
	}
	for _, wrong := range [][]string{
		{},
		{folder, folder},
		{"--days", "0", folder},
		{"--days", "100000", folder},
		{"--hosts", ",", folder},
		{"--every", "1s", folder},
		{"--every", "24h", "--rotate", folder},
		{"--what", folder},
	} {
		if code, _, stderr := run(t.Context(), wrong...); code != 2 || !strings.Contains(stderr, "usage: tokenstore certificates") {
			t.Errorf("%q: %d %s", wrong, code, stderr)
		}
	}
	if code, _, stderr := run(t.Context(), filepath.Join(folder, "gateway", "tls.crt")); code != 1 || stderr == "" {
		t.Errorf("a file instead of a folder: %d %s", code, stderr)
	}
}
