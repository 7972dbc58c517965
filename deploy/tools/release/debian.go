package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// debianPackage makes a package with dpkg-deb, which Debian and its relatives have.
func debianPackage(ctx context.Context, arch, version string, at time.Time, bin, scratch, out string) error {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		return errors.New("dpkg-deb is missing, which makes the Debian packages: install it, or leave Linux out with -only")
	}
	tree := filepath.Join(scratch, "deb-"+arch)
	entries := []entry{{filepath.Join(bin, program), "usr/bin/" + program, 0o755}}
	for _, name := range units {
		entries = append(entries, entry{filepath.Join(root, "deploy/systemd", name), "usr/lib/systemd/system/" + name, 0o644})
	}
	for _, name := range documents {
		entries = append(entries, entry{filepath.Join(root, name), "usr/share/doc/carousel/" + documentName(name), 0o644})
	}
	for _, each := range entries {
		if err := plant(tree, each); err != nil {
			return err
		}
	}
	if err := plantControl(tree, arch, version); err != nil {
		return err
	}
	if err := setModes(tree); err != nil {
		return err
	}
	// Times that are not set to the commit's would be those of the copies; dpkg-deb lowers what is
	// later than SOURCE_DATE_EPOCH, which all of them are.
	command := exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, filepath.Join(out, "carousel_"+version+"_"+arch+".deb"))
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(at.Unix(), 10))
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, said)
	}
	return nil
}

// documentName is what Debian calls a document.
func documentName(name string) string {
	if name == "LICENSE" {
		return "copyright"
	}
	return name
}

func plant(tree string, each entry) error {
	path := filepath.Join(tree, each.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as it is on a machine
		return err
	}
	return copyFile(each.from, path, each.mode)
}

// setModes gives all of a tree the modes that it has on a machine, whatever the umask has made of
// them.
func setModes(tree string) error {
	return filepath.WalkDir(tree, func(path string, each fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		about, err := each.Info()
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if each.IsDir() || about.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return os.Chmod(path, mode) //nolint:gosec // the tree is this process's own
	})
}

func plantControl(tree, arch, version string) error {
	control := fmt.Sprintf(`Package: carousel
Version: %s
Architecture: %s
Maintainer: Carousel's developers <carousel@localhost>
Section: net
Priority: optional
Recommends: ca-certificates
Suggests: redis-server
Description: one API in front of a pool of upstream accounts and API keys
 The gateway speaks the dialects of clients, and the tokenstore keeps the pool in Redis.
 "carousel local" is both of them and a Redis in one process.
`, debianVersion(version), arch)
	if err := os.MkdirAll(filepath.Join(tree, "DEBIAN"), 0o755); err != nil { //nolint:gosec // as dpkg-deb wants it
		return err
	}
	if err := os.WriteFile(filepath.Join(tree, "DEBIAN/control"), []byte(control), 0o644); err != nil { //nolint:gosec // likewise
		return err
	}
	for name, script := range maintainerScripts {
		if err := os.WriteFile(filepath.Join(tree, "DEBIAN", name), []byte(script), 0o755); err != nil { //nolint:gosec // dpkg runs them
			return err
		}
	}
	return nil
}

// maintainerScripts are what dpkg runs: systemd knows the units that there are, what ran goes on
// with the new version, and nothing goes on without its program. A service that does not start
// again leaves the package installed all the same.
var maintainerScripts = map[string]string{
	"postinst": `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    for unit in /etc/systemd/system/carousel-*.service; do
        if [ -f "$unit" ] && [ ! -L "$unit" ]; then
            echo "carousel: $unit goes before the package's own unit, and may start another program; if it is of install.sh: sudo rm $unit && sudo systemctl daemon-reload" >&2
        fi
    done
    systemctl daemon-reload
    systemctl try-restart 'carousel-*.service' ||
        echo "carousel: what ran before has not started again: systemctl status 'carousel-*.service'" >&2
fi
`,
	"prerm": `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl stop 'carousel-*.service'
fi
`,
	"postrm": `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
`,
}

// debianVersion is the version as Debian writes it: it begins with a digit, and has no dash, which
// would begin a revision of the package.
func debianVersion(version string) string {
	version = strings.ReplaceAll(strings.TrimPrefix(version, "v"), "-", "+")
	if version == "" || version[0] < '0' || version[0] > '9' {
		return "0~" + version
	}
	return version
}
