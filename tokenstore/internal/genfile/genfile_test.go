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

func TestReplace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := genfile.Replace(path, 0o640, []byte(text)); err != nil {
			t.Fatal(err)
		}
		found, err := os.ReadFile(path)
		if err != nil || string(found) != text {
			t.Errorf("content %q, %v", found, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info, err)
	}
	if err := genfile.Replace(filepath.Join(path, "below", "a file"), 0o640, nil); err == nil {
		t.Error("a file is made where there is no folder")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("drafts stayed: %v, %v", entries, err)
	}
}
