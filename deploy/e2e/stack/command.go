package stack

import (
	"os/exec"
	"strings"
	"testing"
)

// Command runs a command of "gateway admin" at a pair and returns what it prints.
func Command(t testing.TB, at *Gateway, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), Binary(t, "gateway"), append([]string{"admin"}, args...)...)
	command.Env = append(BaseEnv(), "CAROUSEL_URL="+at.URL, "CAROUSEL_KEY="+at.key())
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("gateway admin %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}
