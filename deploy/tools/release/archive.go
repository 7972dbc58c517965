package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// documents are files of the repository that every archive has.
var documents = []string{"LICENSE", "THIRD-PARTY-NOTICES.txt", "README.md", "CHANGELOG.md"}

// units are systemd's, for Linux.
var units = []string{"carousel-gateway@.service", "carousel-tokenstore.service", "carousel-local.service"}

// entry is a file of an archive: where it comes from, and its path and mode there.
type entry struct {
	from, path string
	mode       os.FileMode
}

// contents are the files of a platform's archive, in their order.
func contents(to platform, bin string) (entries []entry) {
	entries = append(entries, entry{filepath.Join(bin, to.program()), to.program(), 0o755})
	for _, name := range documents {
		entries = append(entries, entry{filepath.Join(root, name), name, 0o644})
	}
	if to.os == "linux" {
		for _, name := range units {
			entries = append(entries, entry{filepath.Join(root, "deploy/systemd", name), "systemd/" + name, 0o644})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries
}

// pack writes a platform's archive, all of whose files are in a folder that is called as it is.
func pack(to platform, version string, at time.Time, bin, out string) error {
	name := "carousel_" + version + "_" + to.os + "_" + to.arch
	entries := contents(to, bin)
	for i := range entries {
		entries[i].path = name + "/" + entries[i].path
	}
	if to.os == "windows" {
		return create(filepath.Join(out, name+".zip"), func(w io.Writer) error { return zipOf(w, at, entries) })
	}
	return create(filepath.Join(out, name+".tar.gz"), func(w io.Writer) error { return tarballOf(w, at, entries) })
}

func create(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// tarballOf writes files that nobody owns, all of one time.
func tarballOf(w io.Writer, at time.Time, entries []entry) error {
	packed := gzip.NewWriter(w)
	archive := tar.NewWriter(packed)
	for _, each := range entries {
		content, err := os.ReadFile(each.from)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: each.path, Mode: int64(each.mode), Size: int64(len(content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}

func zipOf(w io.Writer, at time.Time, entries []entry) error {
	archive := zip.NewWriter(w)
	for _, each := range entries {
		content, err := os.ReadFile(each.from)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: each.path, Method: zip.Deflate, Modified: at}
		header.SetMode(each.mode)
		file, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := file.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func copyFile(from, to string, mode os.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, mode) //nolint:gosec // to a folder of its own
}
