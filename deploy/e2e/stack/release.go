package stack

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var releases struct {
	sync.Mutex
	folders map[string]string
}

// Release builds the services as a commit of this repository has them, once per test
// run, and returns the folder of their programs. Where the commit is not at hand (a
// shallow clone) the test is skipped, unless REQUIRE_HISTORY=1.
func Release(t testing.TB, commit string) string {
	t.Helper()
	releases.Lock()
	defer releases.Unlock()
	if folder, built := releases.folders[commit]; built {
		return folder
	}
	if err := git(t, nil, "cat-file", "-e", commit+"^{commit}"); err != nil {
		why := fmt.Sprintf("commit %s is not in this clone (a shallow one?): git fetch --unshallow brings it: %v", commit, err)
		if os.Getenv("REQUIRE_HISTORY") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	folder, err := os.MkdirTemp("", "carousel-release") //nolint:usetesting // outlives the test: it is built once a run
	if err != nil {
		t.Fatal(err)
	}
	if err := buildRelease(t, commit, folder); err != nil {
		_ = os.RemoveAll(folder)
		t.Fatalf("build %s: %v", commit, err)
	}
	if releases.folders == nil {
		releases.folders = map[string]string{}
	}
	releases.folders[commit] = folder
	return folder
}

func buildRelease(t testing.TB, commit, folder string) error {
	var archive bytes.Buffer
	if err := git(t, &archive, "archive", "--format=tar", commit); err != nil {
		return err
	}
	source := filepath.Join(folder, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		return err
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", source)
	unpack.Stdin = &archive
	if output, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack: %w\n%s", err, output)
	}
	// Without its own path in it the compiler's cache serves the next run, too.
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", folder+"/",
		"./gateway/cmd/gateway", "./tokenstore/cmd/tokenstore")
	build.Dir = source
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return os.RemoveAll(source)
}

func git(t testing.TB, output *bytes.Buffer, args ...string) error {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = Root(t)
	var said strings.Builder
	command.Stderr = &said
	if output != nil {
		command.Stdout = output
	}
	if err := command.Run(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

func removeReleases() {
	releases.Lock()
	defer releases.Unlock()
	for _, folder := range releases.folders {
		_ = os.RemoveAll(folder)
	}
}
