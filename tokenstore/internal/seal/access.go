package seal

import (
	"fmt"
	"io/fs"
	"os"
)

// checkAccess refuses a file that everybody may read or write.
func checkAccess(path string) error {
	info, err := os.Stat(path) // of what a link leads to
	if err != nil {
		return err
	}
	return checkMode(path, info.Mode(), readOnlyMount(path))
}

// others are the rights of everybody, and of the group to write.
const others fs.FileMode = 0o026

func checkMode(path string, mode fs.FileMode, readOnly bool) error {
	if mode.Perm()&others == 0 || readOnly {
		return nil
	}
	return fmt.Errorf("%s has mode %#o: others than its owner and group may read it, or others than its owner may write it; chmod 600, or mount it read-only", path, mode.Perm())
}
