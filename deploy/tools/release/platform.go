package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// platform is what programs are built for.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

var platforms = []platform{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

// choose returns the platforms that are named, with commas between; all where none is.
func choose(names string) ([]platform, error) {
	if names == "" {
		return platforms, nil
	}
	var chosen []platform
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, each := range platforms {
			if each.String() == name {
				chosen, found = append(chosen, each), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q is none of %v", name, platforms)
		}
	}
	return chosen, nil
}

// program is what is published: the one that is all of Carousel.
const program = "carousel"

// program is what it is called there.
func (p platform) program() string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

// build builds the program into a folder.
func build(ctx context.Context, to platform, version, tags, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", "-s -w -X main.version="+version, "-o", filepath.Join(folder, to.program()), "./carousel")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+to.os, "GOARCH="+to.arch, "GOFLAGS=")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", to, err)
	}
	return nil
}
