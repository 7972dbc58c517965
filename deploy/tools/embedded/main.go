// Command embedded makes the files that the gateway embeds and that repeat what
// is written elsewhere: the page /about, which is the README, and /env-example,
// which is every key of both services' configuration. `make generate` runs it, and
// a test fails when a file is not what it would make.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// folder is where the gateway embeds from, as seen from the module's folder.
const folder = "../gateway/internal/reference/static"

// readme is the README, likewise.
const readme = "../README.md"

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "embedded:", err)
		os.Exit(1)
	}
}

func write() error {
	files, err := contents(readme)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil { //nolint:gosec // a source file
			return err
		}
	}
	return nil
}

// contents makes the files, by name.
func contents(readme string) (map[string][]byte, error) {
	text, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	page, err := aboutPage(text)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"about.html": page, "env-example": envExample()}, nil
}
