package manual_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// kinds are the words that may stand behind an opening fence. What is "sh" is run; what
// can't be run here, because it needs an account, a Docker engine or a program that is not
// ours, is "console".
var kinds = []string{"sh", "console", "text", "json", "yaml", "toml", "python", "js", "go"}

func TestEveryBlockSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		for _, block := range blocksOf(t, read(t, name)) {
			if !slices.Contains(kinds, block.kind) {
				t.Errorf("%s:%d: a block of the kind %q; it should be one of %v", name, block.line, block.kind, kinds)
			}
		}
	}
}

// The READMEs are one text in two languages: who copies from either gets the same.
func TestBothReadmesHaveTheSameBlocks(t *testing.T) {
	t.Parallel()
	texts := func(name string) (texts []string) {
		for _, block := range blocksOf(t, read(t, name)) {
			texts = append(texts, block.kind+"\n"+block.text)
		}
		return texts
	}
	if diff := cmp.Diff(texts("README.md"), texts("README.zh.md")); diff != "" {
		t.Errorf("the blocks of README.zh.md are not those of README.md:\n%s", diff)
	}
}

const (
	readmeLines = 120
	proseWidth  = 100
)

// wide are documents that are written by programs, with lines of any length, and the one
// whose script is not counted in columns.
var wide = []string{"README.zh.md", "docs/benchmark.md", "docs/dialects.md", "docs/traps.md"}

func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		lines := strings.Split(strings.TrimSuffix(read(t, name), "\n"), "\n")
		if strings.HasPrefix(name, "README") && len(lines) > readmeLines {
			t.Errorf("%s has %d lines; more than %d are no first page", name, len(lines), readmeLines)
		}
		if slices.Contains(wide, name) {
			continue
		}
		inBlock := false
		for i, line := range lines {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				inBlock = !inBlock
			}
			unbroken := inBlock || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "<") // blocks, tables, pictures
			if width := utf8.RuneCountInString(line); width > proseWidth && !unbroken {
				t.Errorf("%s:%d has %d columns; at most %d are wanted", name, i+1, width, proseWidth)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)#([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unnamed = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// headings are the names by which links lead to the headings of a document.
func headings(t *testing.T, name string) []string {
	t.Helper()
	var names []string
	for _, found := range heading.FindAllStringSubmatch(read(t, name), -1) {
		names = append(names, strings.ReplaceAll(unnamed.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return names
}

func TestLinksToHeadingsLeadThere(t *testing.T) {
	t.Parallel()
	for _, name := range append(documents(t), "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md") {
		for _, found := range link.FindAllStringSubmatch(read(t, name), -1) {
			to := name
			if found[1] != "" {
				to = path.Join(path.Dir(name), found[1])
			}
			if strings.HasSuffix(to, ".md") && !strings.Contains(found[1], ":") && !slices.Contains(headings(t, to), found[2]) {
				t.Errorf("%s: %s has no heading %q", name, to, found[2])
			}
		}
	}
}
