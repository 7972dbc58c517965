package allinone

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ignoreAll keeps a folder out of every git repository.
const ignoreAll = "# State of `go run ./deploy/local`: secrets among it.\n*\n"

// prepareData makes the data folder. A fresh one ignores itself, so that nothing of it
// is committed by accident wherever it is; one with files in it is left as it is.
func prepareData(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if len(there) > 0 {
		return nil
	}
	if err := os.WriteFile(filepath.Join(folder, ".gitignore"), []byte(ignoreAll), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// stray are the token files in the folder where this was started that are not read,
// because they belong into the data folder.
func stray(read ...string) []string {
	var names []string
	for _, name := range []string{unplaced["TOKEN_FILE"], unplaced["TOKEN_LIST_FILE"]} {
		isRead := slices.ContainsFunc(read, func(file string) bool { return filepath.Clean(file) == name })
		if _, err := os.Stat(name); err == nil && !isRead {
			names = append(names, name)
		}
	}
	return names
}
