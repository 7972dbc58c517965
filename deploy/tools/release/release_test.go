package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Paths of the repository are those that the command sees, which runs in the module's folder.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// builtFor is a folder with what stands for the built program.
func builtFor(t *testing.T, to platform) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, to.program()), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	return bin
}

// Two folders and two times: the same bytes.
func TestTheSameBytesEverywhere(t *testing.T) {
	t.Parallel()
	var made [2]map[string][]byte
	for i := range made {
		out, scratch := t.TempDir(), t.TempDir()
		for _, each := range platforms {
			if err := pack(each, "v1.2.3", noon, builtFor(t, each), out); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := exec.LookPath("dpkg-deb"); err == nil {
			linux := platform{"linux", "arm64"}
			if err := debianPackage(t.Context(), "arm64", "v1.2.3", noon, builtFor(t, linux), scratch, out); err != nil {
				t.Fatal(err)
			}
		}
		if err := writeSums(out); err != nil {
			t.Fatal(err)
		}
		made[i] = filesOf(t, out)
	}
	for name, content := range made[0] {
		if !bytes.Equal(content, made[1][name]) {
			t.Errorf("%s has other bytes the second time", name)
		}
	}
	if len(made[0]) < len(platforms)+1 || len(made[0]) != len(made[1]) {
		t.Errorf("%d files, then %d", len(made[0]), len(made[1]))
	}
}

// What is in a package can be used by everyone, whatever the umask of who has made it.
func TestTheUmaskChangesNoPackage(t *testing.T) { // it is the process's, so nothing runs beside this
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not there")
	}
	var made [2]map[string][]byte
	for i, mask := range []int{0o022, 0o077} {
		bin, scratch, out := builtFor(t, platform{"linux", "amd64"}), t.TempDir(), t.TempDir()
		before := syscall.Umask(mask)
		err := debianPackage(t.Context(), "amd64", "v1.2.3", noon, bin, scratch, out)
		syscall.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		made[i] = filesOf(t, out)
	}
	for name, content := range made[0] {
		if !bytes.Equal(content, made[1][name]) {
			t.Errorf("%s has other bytes under another umask", name)
		}
	}
}

func filesOf(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, each := range entries {
		if files[each.Name()], err = os.ReadFile(filepath.Join(folder, each.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// An archive has the programs, which can be run, and the documents, in a folder of its name.
func TestArchives(t *testing.T) {
	t.Parallel()
	for _, each := range platforms {
		out := t.TempDir()
		if err := pack(each, "v1", noon, builtFor(t, each), out); err != nil {
			t.Fatal(err)
		}
		for name, content := range filesOf(t, out) {
			modes := modesIn(t, name, content)
			folder := strings.TrimSuffix(strings.TrimSuffix(name, ".zip"), ".tar.gz")
			if mode := modes[folder+"/"+each.program()]; mode != 0o755 {
				t.Errorf("%s: the program's mode is %o", name, mode)
			}
			if mode := modes[folder+"/LICENSE"]; mode != 0o644 {
				t.Errorf("%s: the licence's mode is %o", name, mode)
			}
			if _, has := modes[folder+"/systemd/carousel-local.service"]; has != (each.os == "linux") {
				t.Errorf("%s: has units: %v", name, has)
			}
		}
	}
}

func modesIn(t *testing.T, name string, content []byte) map[string]int64 {
	t.Helper()
	modes := map[string]int64{}
	if strings.HasSuffix(name, ".zip") {
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.File {
			modes[file.Name] = int64(file.Mode())
		}
		return modes
	}
	packed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(packed)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return modes
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
	}
}

func TestDebianVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"v1.2.3": "1.2.3", "v1.2.3-4-gabc": "1.2.3+4+gabc", "abc123": "0~abc123", "dev": "0~dev"} {
		if got := debianVersion(version); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	if all, err := choose(""); err != nil || len(all) != 6 {
		t.Errorf("%v, %v", all, err)
	}
	if some, err := choose("linux/arm64,darwin/amd64"); err != nil || !slices.Equal(some, []platform{{"linux", "arm64"}, {"darwin", "amd64"}}) {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := choose("plan9/amd64"); err == nil || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("%v", err)
	}
}
