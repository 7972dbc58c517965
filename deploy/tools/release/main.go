// Command release makes what is published of a version (`make release`), in a folder:
//
//	carousel_VERSION_OS_ARCH.tar.gz      the program, static; .zip for Windows
//	carousel_VERSION_ARCH.deb            the same for Debian, with systemd's units
//	carousel_VERSION.cdx.json            a bill of materials (CycloneDX)
//	install.sh                           installs from such a folder, or from a site that has it
//	SHA256SUMS                           what all of them have to be
//
// The same commit makes the same bytes, wherever and whenever it is built with the same Go: paths
// are trimmed, and all times are the commit's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// root is the repository, as seen from the module's folder.
const root = ".."

func main() {
	version := flag.String("version", "", "`VERSION`, such as v1.2.3")
	out := flag.String("out", "", "the `FOLDER` to make")
	tags := flag.String("tags", "", "build `TAGS`")
	only := flag.String("only", "", "`OS/ARCH`, with commas between; all of them by default")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *version, *out, *tags, *only); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, version, out, tags, only string) error {
	if version == "" || out == "" {
		return fmt.Errorf("-version and -out are wanted")
	}
	wanted, err := choose(only)
	if err != nil {
		return err
	}
	at, err := commitTime(ctx)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: what is in it would be published as well", out)
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // everyone may read it
		return err
	}
	scratch, err := os.MkdirTemp("", "carousel-release")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	for _, each := range wanted {
		fmt.Fprintln(os.Stderr, "release:", each)
		bin := filepath.Join(scratch, each.os, each.arch)
		if err := build(ctx, each, version, tags, bin); err != nil {
			return err
		}
		if err := pack(each, version, at, bin, out); err != nil {
			return err
		}
		if each.os == "linux" {
			if err := debianPackage(ctx, each.arch, version, at, bin, scratch, out); err != nil {
				return err
			}
		}
	}
	if err := bill(ctx, version, filepath.Join(out, "carousel_"+version+".cdx.json")); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(root, "deploy/install.sh"), filepath.Join(out, "install.sh"), 0o755); err != nil {
		return err
	}
	return writeSums(out)
}

// commitTime is when the commit was made; SOURCE_DATE_EPOCH (seconds) says otherwise.
func commitTime(ctx context.Context) (time.Time, error) {
	said := os.Getenv("SOURCE_DATE_EPOCH")
	if said == "" {
		command := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct")
		command.Dir = root
		answer, err := command.Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("when was the commit made? Set SOURCE_DATE_EPOCH where there is no git: %w", err)
		}
		said = strings.TrimSpace(string(answer))
	}
	seconds, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// bill writes the bill of materials.
func bill(ctx context.Context, version, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "run", "./tools/notices", "-sbom", path, "-version", version)
	command.Stderr = os.Stderr
	return command.Run()
}
