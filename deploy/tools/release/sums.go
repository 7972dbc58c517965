package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sumsFile is what sha256sum --check reads.
const sumsFile = "SHA256SUMS"

// writeSums writes the digest of every file of a folder.
func writeSums(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, each := range entries { // by name
		content, err := os.ReadFile(filepath.Join(folder, each.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), each.Name())
	}
	return os.WriteFile(filepath.Join(folder, sumsFile), []byte(sums.String()), 0o644) //nolint:gosec // everyone may read it
}
