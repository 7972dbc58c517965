// Package genfile makes files of generated content, such as keys. It does not
// know what is in them.
package genfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CreateOnce makes the file, and its folder, unless there is one already. The
// file appears complete and on disk or not at all; when several processes do it
// at once, one wins and the others find its file. It tells whether it made it.
func CreateOnce(path string, mode fs.FileMode, content []byte) (bool, error) {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return false, err
	}
	draft, err := writeDraft(folder, mode, content)
	if err != nil {
		return false, fmt.Errorf("create %s: %w", path, err)
	}
	defer func() { _ = os.Remove(draft) }() // the link keeps the content
	if err := os.Link(draft, path); errors.Is(err, fs.ErrExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, syncFolder(folder)
}

// Replace makes content the file's: whoever reads it finds what was there before, or all of
// what is there now. Its folder must be there.
func Replace(path string, mode fs.FileMode, content []byte) error {
	folder := filepath.Dir(path)
	draft, err := writeDraft(folder, mode, content)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return syncFolder(folder)
}

func writeDraft(folder string, mode fs.FileMode, content []byte) (path string, err error) {
	draft, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, draft.Close()); err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	if err := draft.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := draft.Write(content); err != nil {
		return "", err
	}
	return draft.Name(), draft.Sync()
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// NewSecret is a line with a random secret of 128 bits.
func NewSecret() []byte { return []byte(rand.Text() + "\n") }
