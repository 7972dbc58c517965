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

// program is one that is published. It is built in its module, by that's own requirements.
type program struct{ name, module, main string }

var programs = []program{
	{"carousel-gateway", "gateway", "./cmd/gateway"},
	{"carousel-tokenstore", "tokenstore", "./cmd/tokenstore"},
	{"carousel-local", "deploy", "./local"},
}

// file is what the program is called there.
func (p platform) file(program string) string {
	if p.os == "windows" {
		return program + ".exe"
	}
	return program
}

// build builds all programs into a folder.
func build(ctx context.Context, to platform, version, tags, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	for _, each := range programs {
		command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
			"-ldflags", "-s -w -X main.version="+version, "-o", filepath.Join(folder, to.file(each.name)), each.main)
		command.Dir = filepath.Join(root, each.module)
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+to.os, "GOARCH="+to.arch, "GOFLAGS=")
		command.Stderr = os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("build %s for %s: %w", each.name, to, err)
		}
	}
	return nil
}
