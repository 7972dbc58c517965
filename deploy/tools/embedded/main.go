// Command embedded makes the files that repeat what is written elsewhere. The gateway
// embeds two: the page /about, which is the README, and /env-example, which is every key
// of both services' configuration. The same keys stand in docker-compose.yml, which
// passes them on, in .env.example, and in docs/configuration.md. What each pair of APIs
// carries is docs/dialects.md, of the rows that tests play; docs/traps.md is made of the
// rows that name the tests of each. `make generate` runs it, and a test fails when a file is not
// what it would make.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/traps"
)

// root is the repository, as seen from the module's folder.
const root = ".."

// The files, as seen from the root.
const (
	readme        = "README.md"
	about         = "gateway/internal/reference/static/about.html"
	example       = "gateway/internal/reference/static/env-example"
	compose       = "docker-compose.yml"
	compExample   = ".env.example"
	configuration = "docs/configuration.md"
	dialects      = "docs/dialects.md"
	mistakes      = "docs/traps.md"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "embedded:", err)
		os.Exit(1)
	}
}

func write() error {
	files, err := contents(root)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil { //nolint:gosec // source files
			return err
		}
	}
	return nil
}

// contents makes the files, by name.
func contents(root string) (map[string][]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, readme))
	if err != nil {
		return nil, err
	}
	page, err := aboutPage(text)
	if err != nil {
		return nil, err
	}
	containers, err := os.ReadFile(filepath.Join(root, compose))
	if err != nil {
		return nil, err
	}
	ofGateway, ofStore := configs()
	containers, err = composeKeys(containers, map[string]any{"gateway": ofGateway, "tokenstore": ofStore})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		about: page, example: envExample(), compose: containers, compExample: composeExample(containers),
		configuration: configurationPage(ofGateway, ofStore), dialects: pairs.Document(), mistakes: traps.Document(),
	}, nil
}
