package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// "make up SIM=1" adds a profile to those that an installation has, and takes none away.
func TestProfilesOfMake(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip(err)
	}
	makefile, err := filepath.Abs("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env, args []string
		file      string
		want      string
	}{
		{},
		{args: []string{"SIM=1"}, want: "sim"},
		{args: []string{"SIM=1", "METRICS=1"}, want: "sim,metrics"},
		{file: "PORT=1\nCOMPOSE_PROFILES=tls\n", want: "tls"},
		{file: "COMPOSE_PROFILES=tls\n", args: []string{"METRICS=1"}, want: "tls,metrics"},
		{file: "COMPOSE_PROFILES=tls\n", env: []string{"COMPOSE_PROFILES=sim"}, args: []string{"METRICS=1"}, want: "sim,metrics"},
		{file: "COMPOSE_PROFILES=tls\n", env: []string{"COMPOSE_PROFILES="}},
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, ".env"), []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		// The script that make asks reads the .env that it lies beside.
		docker := filepath.Join(folder, "deploy", "docker")
		if err := os.MkdirAll(docker, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(filepath.Dir(makefile), "deploy", "docker", "profiles.sh"), filepath.Join(docker, "profiles.sh")); err != nil {
			t.Fatal(err)
		}
		const show = "show:\n\t@$(profiles) echo profiles=$${COMPOSE_PROFILES:-}"
		command := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "--file", makefile, "--eval", show, "show"}, c.args...)...)
		command.Dir = folder
		for _, each := range os.Environ() {
			if name, _, _ := strings.Cut(each, "="); name != "COMPOSE_PROFILES" && name != "MAKEFLAGS" && name != "MFLAGS" {
				command.Env = append(command.Env, each)
			}
		}
		command.Env = append(command.Env, c.env...)
		said, err := command.CombinedOutput()
		if got := strings.TrimSpace(string(said)); err != nil || got != "profiles="+c.want {
			t.Errorf("%q, %v, %v: %s, %v, want %q", c.file, c.env, c.args, got, err, c.want)
		}
	}
}
