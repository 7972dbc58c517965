package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// programs are what is shipped, by the folder of their module.
var programs = map[string][]string{
	"gateway":    {"./cmd/gateway"},
	"tokenstore": {"./cmd/tokenstore"},
	"deploy":     {"./upstreamsim/cmd/upstreamsim", "./carousel"},
}

// module is one that a program has code of.
type module struct {
	Path, Version, Dir string
	// Main is set of our own.
	Main    bool
	Replace *module
	// Programs have its code.
	Programs []string
	// Texts are its licence and notice files.
	Texts []text
}

type text struct{ name, content string }

// standard is the path under which Go's own library stands.
const standard = "std"

// linked lists the modules of others that are linked into the programs, and Go's own
// library, with their licences. One without a licence is an error.
func linked(root string) ([]*module, error) {
	found := map[string]*module{}
	for folder, mains := range programs {
		for _, main := range mains {
			if err := addModules(found, filepath.Join(root, folder), main); err != nil {
				return nil, err
			}
		}
	}
	var all []*module
	for _, each := range found {
		texts, err := textsOf(each.Dir)
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			return nil, fmt.Errorf("%s %s has no licence file in %s", each.Path, each.Version, each.Dir)
		}
		slices.Sort(each.Programs)
		each.Texts = texts
		all = append(all, each)
	}
	slices.SortFunc(all, func(a, b *module) int { return cmp.Compare(a.Path, b.Path) })
	return all, nil
}

func addModules(found map[string]*module, folder, main string) error {
	listed, err := goList(folder, "-deps", "-json=Module,Standard", main)
	if err != nil {
		return err
	}
	name := filepath.Base(main)
	decoder := json.NewDecoder(bytes.NewReader(listed))
	for {
		var pkg struct {
			Module   *module
			Standard bool
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		from := pkg.Module
		if pkg.Standard {
			if from, err = goItself(); err != nil {
				return err
			}
		}
		if from == nil || from.Main || from.Replace != nil { // our own
			continue
		}
		known := found[from.Path]
		if known == nil {
			known = from
			found[from.Path] = known
		}
		if !slices.Contains(known.Programs, name) {
			known.Programs = append(known.Programs, name)
		}
	}
}

// goList asks for a program as the images have it, whatever this machine is.
func goList(folder string, args ...string) ([]byte, error) {
	command := exec.Command("go", append([]string{"list"}, args...)...) //nolint:noctx // ends by itself
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list in %s: %w\n%s", folder, err, said.String())
	}
	return output, nil
}

var goRoot string

// goItself is Go's own library. Its version is the compiler's, which the notices leave
// out: each build may have another.
func goItself() (*module, error) {
	if goRoot == "" {
		output, err := exec.Command("go", "env", "GOROOT").Output() //nolint:noctx // ends by itself
		if err != nil {
			return nil, fmt.Errorf("go env: %w", err)
		}
		goRoot = strings.TrimSpace(string(output))
	}
	return &module{Path: standard, Dir: goRoot}, nil
}

var legal = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// textsOf reads the licence and notice files of a module's folder.
func textsOf(folder string) ([]text, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var texts []text
	for _, entry := range entries {
		if entry.IsDir() || !legal.MatchString(entry.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text{entry.Name(), strings.TrimSpace(strings.ReplaceAll(string(content), "\r\n", "\n"))})
	}
	return texts, nil
}
