// Package manual_test does what the README and the manual tell people to do, in a fresh clone.
package manual_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each block of a shell works as it stands, in the order of the documents, and none of them
// leaves anything in the clone that git would commit.
func TestEveryBlockWorksInAFreshClone(t *testing.T) {
	for _, program := range []string{"curl", "git", "make"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("REQUIRE_CURL") == "1" {
				t.Fatal(err)
			}
			t.Skipf("no %s here", program)
		}
	}
	c := newClone(t)
	p := c.begin()
	c.run(t, buildLimit, buildProgram)
	env := append(p.env(), "PATH="+filepath.Join(c.folder, "bin")+string(os.PathListSeparator)+pathOf(c.env))
	if !strings.Contains(read(t, "docs/install.md"), "\n"+buildProgram+"\n") {
		t.Errorf("docs/install.md does not say %s, which the examples need", buildProgram)
	}
	for _, name := range documents(t) {
		for _, block := range only("sh", blocksOf(t, read(t, name))) {
			t.Run(fmt.Sprintf("%s:%d", name, block.line), func(t *testing.T) {
				switch block.text {
				case start: // it runs
				case allTests:
					isRunByCI(t)
				default:
					c.run(t, blockLimit, block.text, env...)
				}
			})
		}
	}
	t.Run("the snippets of the README", func(t *testing.T) { snippets(t, p) })
	t.Run("the table of settings", func(t *testing.T) { settings(t, p) })
	p.end(t)
	if left := c.git("status", "--porcelain", "--untracked-files=all"); left != "" {
		t.Errorf("after that git would commit\n%s", left)
	}
}

func pathOf(env []string) string {
	for _, variable := range env {
		if path, found := strings.CutPrefix(variable, "PATH="); found {
			return path
		}
	}
	return ""
}

// buildProgram makes the program that docs/install.md has people build for the command line.
const buildProgram = "go build -o bin/ ./deploy/carousel"

// allTests is the block that runs all tests. It can't be run by one of them.
const allTests = "make test\n"

func isRunByCI(t *testing.T) {
	t.Helper()
	if script := read(t, ".ci/run"); !strings.Contains(script, " make --keep-going test ") {
		t.Error(".ci/run does not run make test")
	}
}
