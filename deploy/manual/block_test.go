package manual_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

// block is a fenced block of a document.
type block struct {
	// line is where its first line stands, from 1.
	line int
	// kind is the word behind the opening fence.
	kind string
	text string
}

// blocksOf are the fenced blocks of a document.
func blocksOf(t *testing.T, document string) []block {
	t.Helper()
	var blocks []block
	var open *block
	lines := bufio.NewScanner(strings.NewReader(document))
	for number := 1; lines.Scan(); number++ {
		kind, fence := strings.CutPrefix(strings.TrimSpace(lines.Text()), "```")
		switch {
		case fence && open == nil:
			open = &block{line: number + 1, kind: kind}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += lines.Text() + "\n"
		}
	}
	if open != nil {
		t.Fatalf("the block at line %d has no end", open.line)
	}
	return blocks
}

// only are the blocks of one kind.
func only(kind string, blocks []block) []block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b block) bool { return b.kind != kind })
}

// documents are the README in both languages and the manual, as they are seen from the
// repository's root: first what a newcomer reads first.
func documents(t *testing.T) []string {
	t.Helper()
	manual, err := filepath.Glob(filepath.Join(stack.Root(t), "docs", "*.md"))
	if err != nil || len(manual) == 0 {
		t.Fatalf("there is no manual: %v", err)
	}
	names := []string{"README.md", "README.zh.md", "docs/install.md"}
	for _, path := range manual {
		if name := "docs/" + filepath.Base(path); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stack.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
