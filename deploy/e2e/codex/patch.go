package codex

import (
	"errors"
	"fmt"
	"strings"
)

// patched are the lines of a patch that name a file, as they are told.
func patched(patch string) (names []string) {
	for line := range strings.Lines(patch) {
		for mark, letter := range map[string]string{"*** Add File: ": "A ", "*** Update File: ": "M ", "*** Delete File: ": "D "} {
			if name, found := strings.CutPrefix(strings.TrimRight(line, "\n"), mark); found {
				names = append(names, letter+name)
			}
		}
	}
	return names
}

// patch applies a patch in the freeform tool's language, or nothing of it.
func (w *Workspace) patch(patch string) error {
	lines := strings.Split(strings.TrimRight(patch, "\n"), "\n")
	if len(lines) < 2 || lines[0] != "*** Begin Patch" || lines[len(lines)-1] != "*** End Patch" {
		return errors.New("the patch does not begin with *** Begin Patch and end with *** End Patch")
	}
	changed := map[string]*string{}
	path, before, after, adds := "", []string{}, []string{}, false
	flush := func() error {
		if path == "" {
			return nil
		}
		text, found := w.files[path]
		if pending := changed[path]; pending != nil {
			text = *pending
		}
		switch {
		case adds:
			text = strings.Join(after, "\n") + "\n"
		case !found:
			return fmt.Errorf("there is no file %s", path)
		case len(before)+len(after) > 0:
			old := strings.Join(before, "\n") + "\n"
			if !strings.Contains(text, old) {
				return fmt.Errorf("%s does not have the lines %q", path, before)
			}
			text = strings.Replace(text, old, strings.Join(append(after, ""), "\n"), 1)
		}
		changed[path] = &text
		before, after = nil, nil
		return nil
	}
	for _, line := range lines[1 : len(lines)-1] {
		name, adding := strings.CutPrefix(line, "*** Add File: ")
		updated, updating := strings.CutPrefix(line, "*** Update File: ")
		deleted, deleting := strings.CutPrefix(line, "*** Delete File: ")
		switch {
		case adding, updating, deleting:
			if err := flush(); err != nil {
				return err
			}
			path, adds = name, adding
			if updating {
				path = updated
			}
			if deleting {
				changed[deleted], path = nil, ""
			}
		case strings.HasPrefix(line, "@@"):
			if err := flush(); err != nil {
				return err
			}
		case strings.HasPrefix(line, "+"):
			after = append(after, line[1:])
		case strings.HasPrefix(line, "-") && !adds:
			before = append(before, line[1:])
		case strings.HasPrefix(line, " ") && !adds:
			before, after = append(before, line[1:]), append(after, line[1:])
		default:
			return fmt.Errorf("no line of a patch: %q", line)
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for name, text := range changed {
		if text == nil {
			delete(w.files, name)
		} else {
			w.files[name] = *text
		}
	}
	return nil
}
