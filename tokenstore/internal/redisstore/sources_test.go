package redisstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goSources are the texts of the package's files, tests excepted.
func goSources(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(text))
	}
	return sources
}
