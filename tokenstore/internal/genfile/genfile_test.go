package genfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"carousel.internal/tokenstore/internal/genfile"
)

func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "key")
	var group sync.WaitGroup
	var made atomic.Int32
	for i := range 8 {
		group.Go(func() {
			created, err := genfile.CreateOnce(path, 0o600, fmt.Appendf(nil, "content %d", i))
			if err != nil {
				t.Error(err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d processes made the file", made.Load())
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) != len("content 0") {
		t.Errorf("content %q, %v", text, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("drafts stayed: %v, %v", entries, err)
	}
}

func TestAnExistingFileStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	created, err := genfile.CreateOnce(path, 0o600, []byte("new"))
	if err != nil || created {
		t.Errorf("created %v, %v", created, err)
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("content %q", text)
	}
}
