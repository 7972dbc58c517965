package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// without is the environment without Compose's profiles, and with more.
func without(more ...string) []string {
	return append(slices.DeleteFunc(os.Environ(), func(each string) bool { return strings.HasPrefix(each, "COMPOSE_PROFILES=") }), more...)
}

// script runs one of this folder's. It is read first, so that go test knows what the result depends
// on.
func script(t *testing.T, name string, env []string, args ...string) (said string, err error) {
	t.Helper()
	for _, each := range []string{name, "profiles.sh"} {
		if _, err := os.ReadFile(each); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "bash", append([]string{name}, args...)...)
	command.Env = without(env...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// The profiles are those that Compose itself takes out of the environment or .env.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		env  []string
		want string
	}{
		"no line":            {"PORT=1\n#COMPOSE_PROFILES=ha\n", nil, ""},
		"plain":              {"PORT=1\nCOMPOSE_PROFILES=ha,tls\nA=b\n", nil, "ha,tls"},
		"without an end":     {"COMPOSE_PROFILES=ha", nil, "ha"},
		"quoted":             {"COMPOSE_PROFILES=\"ha,tls\"\n", nil, "ha,tls"},
		"quoted once":        {"COMPOSE_PROFILES='ha'\n", nil, "ha"},
		"with a comment":     {"COMPOSE_PROFILES=ha,tls  # both\n", nil, "ha,tls"},
		"quotes and comment": {"COMPOSE_PROFILES=\"ha\" # replicas\n", nil, "ha"},
		"nothing but that":   {"COMPOSE_PROFILES= # none\n", nil, ""},
		"spaces, exported":   {" export COMPOSE_PROFILES = ha \n", nil, "ha"},
		"of Windows":         {"COMPOSE_PROFILES=ha\r\nA=b\r\n", nil, "ha"},
		"the last one":       {"COMPOSE_PROFILES=ha\nCOMPOSE_PROFILES=tls\n", nil, "tls"},
		"the environment's":  {"COMPOSE_PROFILES=ha\n", []string{"COMPOSE_PROFILES=sim"}, "sim"},
		"empty there":        {"COMPOSE_PROFILES=ha\n", []string{"COMPOSE_PROFILES="}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), ".env")
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := script(t, "profiles.sh", c.env, file); err != nil || got != c.want+"\n" {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// compose stands in for Compose where the replicas run: it notes what it is asked.
const compose = `#!/bin/sh
printf '%s\n' "$*" >>"$ASKED"
case $* in
"ps --quiet lb" | "--profile ha ps --quiet redis-2") echo some-id ;;
exec*) echo master ;;
esac
`

// Replicas that run beside an .env that has lost their lines are left as they are, and so is all
// else.
func TestAnUpgradeKeepsReplicas(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profiles, says string
		replaces       bool
	}{
		"with their lines":    {"tls,ha", "upgrade: done", true},
		"without their lines": {"tls", "docs/redis.md", false},
		"without any":         {"", "docs/redis.md", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			program, asked := filepath.Join(folder, "compose"), filepath.Join(folder, "asked")
			if err := os.WriteFile(program, []byte(compose), 0o700); err != nil {
				t.Fatal(err)
			}
			said, err := script(t, "upgrade.sh", []string{"COMPOSE=" + program, "ASKED=" + asked, "BALANCER=1", "COMPOSE_PROFILES=" + c.profiles})
			if (err == nil) != c.replaces || !strings.Contains(said, c.says) {
				t.Errorf("%v: %s", err, said)
			}
			lines, err := os.ReadFile(asked)
			if err != nil || strings.Contains(string(lines), "up --detach") != c.replaces {
				t.Errorf("%v, Compose was asked:\n%s", err, lines)
			}
			if c.replaces && !strings.Contains(string(lines), "--no-build sentinel-3\n") {
				t.Errorf("the sentinels stay as they are:\n%s", lines)
			}
		})
	}
}
