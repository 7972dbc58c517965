// Package systemd tests the units beside it.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units by what their file is called where one runs.
var units = map[string]string{
	"carousel-tokenstore.service":   "carousel-tokenstore.service",
	"carousel-gateway@3000.service": "carousel-gateway@.service",
	"carousel-local.service":        "carousel-local.service",
}

// analyze runs systemd-analyze, which needs no systemd to run.
func analyze(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("REQUIRE_SYSTEMD") != "" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not there")
	}
	command := exec.CommandContext(t.Context(), "systemd-analyze", args...)
	command.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning", "LC_ALL=C")
	if said, err := command.CombinedOutput(); err != nil || strings.Contains(string(said), "Unknown") {
		t.Errorf("%v: %s", err, said)
	}
}

// systemd understands each line of the units, and finds what they start.
func TestUnitsAreUnderstood(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, folder := range []string{"usr/bin", "etc/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{"multi-user", "network-online", "sysinit", "basic", "shutdown", "network"} {
		write(t, filepath.Join(root, "etc/systemd/system", target+".target"), "[Unit]\nDescription="+target+"\n", 0o644)
	}
	write(t, filepath.Join(root, "usr/bin/carousel"), "#!/bin/sh\n", 0o755)
	for _, file := range units {
		write(t, filepath.Join(root, "etc/systemd/system", file), read(t, file), 0o644)
	}
	for unit := range units {
		analyze(t, "verify", "--root="+root, "--man=no", "--recursive-errors=no", unit)
	}
}

// Hardening doesn't wear off. Exposure is in tenths here: 0 is perfect, and 100 is none.
func TestUnitsAreHardened(t *testing.T) {
	t.Parallel()
	for _, file := range units {
		analyze(t, "security", "--offline=yes", "--no-pager", "--threshold=12", "./"+file)
	}
}

// The services know each variable that they are given.
func TestUnitsSetKeysThatThereAre(t *testing.T) {
	t.Parallel()
	manual := read(t, "../../docs/configuration.md")
	for _, file := range units {
		for _, line := range regexp.MustCompile(`(?m)^Environment=(.*)$`).FindAllStringSubmatch(read(t, file), -1) {
			for _, variable := range strings.Fields(line[1]) {
				name, _, _ := strings.Cut(variable, "=")
				secret := strings.TrimSuffix(name, "_FILE")
				if !strings.Contains(manual, "| `"+name+"` |") && !strings.Contains(manual, "| `"+secret+"` |") {
					t.Errorf("%s sets %s, which is no key of the configuration", file, name)
				}
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
