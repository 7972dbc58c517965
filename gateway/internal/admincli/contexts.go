package admincli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

const (
	// maxContexts bounds how many are kept.
	maxContexts = 100
	// maxContextURL and maxContextKey bound what is kept of each, in bytes.
	maxContextURL, maxContextKey = 2 << 10, 4 << 10
	// maxContextsFile bounds what is read of their file, in bytes.
	maxContextsFile = 2 << 20
)

// contextForm is what a context may be called.
var contextForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// keptContext is a gateway that somebody has given a name.
type keptContext struct {
	URL string `json:"url"`
	// Key is the admin token.
	Key string `json:"key"`
}

// keptContexts are those of one person, in a file that nobody else may read.
type keptContexts struct {
	// Current is the name of the one in use; empty: none is.
	Current string                 `json:"current"`
	Known   map[string]keptContext `json:"contexts"`
}

func (k keptContexts) names() []string { return slices.Sorted(maps.Keys(k.Known)) }

// find returns the one of a name.
func (k keptContexts) find(name string) (keptContext, error) {
	found, known := k.Known[name]
	if !known {
		return found, fmt.Errorf("there is no context %q%s; `admin context list` lists them", name, didYouMean(name, k.names()))
	}
	return found, nil
}

// chosenContext is the one that the command line names, else the one in use, else an empty one.
func (s *session) chosenContext() (keptContext, error) {
	file, err := s.contextsFile()
	if err != nil && s.contextName == "" {
		return keptContext{}, nil // who has no folder keeps no contexts
	}
	if err != nil {
		return keptContext{}, err
	}
	kept, err := readContexts(file)
	switch {
	case err != nil:
		return keptContext{}, err
	case s.contextName != "":
		return kept.find(s.contextName)
	case kept.Current != "":
		return kept.find(kept.Current)
	}
	return keptContext{}, nil
}

// contextsFile is where they are kept.
func (s *session) contextsFile() (string, error) {
	folder, err := s.ConfigFolder()
	if err != nil {
		return "", fmt.Errorf("contexts have no place here: %w", err)
	}
	return filepath.Join(folder, "carousel", "contexts.json"), nil
}

// readContexts reads a file, which need not be there.
func readContexts(name string) (keptContexts, error) {
	kept := keptContexts{Known: map[string]keptContext{}}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("the contexts can't be read: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxContextsFile))
	if err == nil {
		err = json.Unmarshal(content, &kept)
	}
	if err != nil {
		return kept, fmt.Errorf("the contexts can't be read, mend or remove %s: %w", name, err)
	}
	if kept.Known == nil {
		kept.Known = map[string]keptContext{}
	}
	return kept, nil
}

// writeContexts puts a file in place at once, which only its owner can read.
func writeContexts(name string, kept keptContexts) error {
	content, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("the contexts can't be kept: %w", err)
	}
	// CreateTemp's files are their owner's alone.
	file, err := os.CreateTemp(filepath.Dir(name), ".contexts-*")
	if err != nil {
		return fmt.Errorf("the contexts can't be kept: %w", err)
	}
	_, err = file.Write(append(content, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("the contexts can't be kept: %w", err)
	}
	return nil
}

// changeContexts reads the contexts, has them changed, and keeps them.
func (s *session) changeContexts(change func(*keptContexts) error) error {
	file, err := s.contextsFile()
	if err != nil {
		return err
	}
	kept, err := readContexts(file)
	if err != nil {
		return err
	}
	if err := change(&kept); err != nil {
		return err
	}
	return writeContexts(file, kept)
}
