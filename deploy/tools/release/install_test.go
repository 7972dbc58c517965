package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// released is a folder as it is published, for this machine, with what stands for the programs.
func released(t *testing.T, versions ...string) string {
	t.Helper()
	out := t.TempDir()
	for _, version := range versions {
		here := platform{runtime.GOOS, runtime.GOARCH}
		if err := pack(here, version, noon, builtFor(t, here), out); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// install runs the script, and returns what it says.
func install(t *testing.T, args ...string) (said string, ok bool) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "sh", append([]string{"install.sh"}, args...)...).CombinedOutput()
	return string(output), err == nil
}

func TestInstall(t *testing.T) {
	t.Parallel()
	prefix := t.TempDir()
	for range 2 { // also over what is there
		// Whoever runs it, on whichever machine: nothing outside of the folder changes.
		if said, ok := install(t, "--from", released(t, "v1.2.3"), "--prefix", prefix); !ok || !strings.Contains(said, "units are for a program in") {
			t.Fatal(said)
		}
	}
	path := filepath.Join(prefix, "bin", program)
	if content, err := os.ReadFile(path); err != nil || string(content) != program {
		t.Errorf("%q, %v", content, err)
	}
	if about, err := os.Stat(path); err != nil || about.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", about, err)
	}
	if left, err := os.ReadDir(filepath.Join(prefix, "bin")); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// What is not as it should be is told, and nothing is installed.
func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	changed := released(t, "v1.2.3")
	archive := filepath.Join(changed, "carousel_v1.2.3_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz")
	if err := os.WriteFile(archive, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := released(t)
	for title, c := range map[string]struct {
		args []string
		says string
	}{
		"other bytes":      {[]string{"--from", changed}, "not what SHA256SUMS says"},
		"no sums":          {[]string{"--from", t.TempDir()}, "SHA256SUMS can't be had"},
		"nothing for this": {[]string{"--from", foreign}, "has no version for"},
		"several versions": {[]string{"--from", released(t, "v1", "v2")}, "choose one with --version"},
		"another version":  {[]string{"--from", released(t, "v1"), "--version", "v2"}, "has no v2 for"},
		"plain HTTP":       {[]string{"--from", "http://127.0.0.1/releases"}, "only https:// is trusted"},
		"from nowhere":     {nil, "--from names a folder"},
		"an unknown flag":  {[]string{"--force"}, "--force is unknown"},
		"half a flag":      {[]string{"--from"}, "--from wants a value"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			prefix := t.TempDir()
			said, ok := install(t, append(c.args, "--prefix", prefix)...)
			if title == "half a flag" {
				said, ok = install(t, c.args...)
			}
			if ok || !strings.Contains(said, c.says) {
				t.Errorf("%q, want %q", said, c.says)
			}
			if _, err := os.Stat(filepath.Join(prefix, "bin", program)); err == nil {
				t.Error("something is installed")
			}
		})
	}
	if said, ok := install(t, "--from", released(t, "v1", "v2"), "--version", "v2", "--prefix", t.TempDir()); !ok || !strings.Contains(said, "carousel_v2_") {
		t.Errorf("one of several: %s", said)
	}
}
