package codex

import (
	"errors"
	"fmt"
	"strings"
)

// The marks of a patch in the freeform tool's language.
const (
	patchBegins = "*** Begin Patch"
	patchEnds   = "*** End Patch"
	addsFile    = "*** Add File: "
	updatesFile = "*** Update File: "
	deletesFile = "*** Delete File: "
)

// patched are the lines of a patch that name a file, as the model is told of them.
func patched(patch string) (names []string) {
	for line := range strings.Lines(patch) {
		for mark, letter := range map[string]string{addsFile: "A ", updatesFile: "M ", deletesFile: "D "} {
			if name, found := strings.CutPrefix(strings.TrimRight(line, "\n"), mark); found {
				names = append(names, letter+name)
			}
		}
	}
	return names
}

// patch applies a patch, or nothing of it.
func (w *Workspace) patch(patch string) error {
	lines := strings.Split(strings.TrimRight(patch, "\n"), "\n")
	if len(lines) < 2 || lines[0] != patchBegins || lines[len(lines)-1] != patchEnds {
		return fmt.Errorf("the patch does not begin with %s and end with %s", patchBegins, patchEnds)
	}
	p := patching{files: w.files, changed: map[string]*string{}}
	for _, line := range lines[1 : len(lines)-1] {
		if err := p.line(line); err != nil {
			return err
		}
	}
	if err := p.endHunk(); err != nil {
		return err
	}
	for name, text := range p.changed {
		if text == nil {
			delete(w.files, name)
		} else {
			w.files[name] = *text
		}
	}
	return nil
}

// patching is a patch that is being read. Nothing is written before all of it fits.
type patching struct {
	files   map[string]string
	changed map[string]*string // nil: the file goes
	path    string
	adds    bool
	// before and after are the lines of the hunk.
	before, after []string
}

func (p *patching) line(line string) error {
	for mark, begin := range map[string]func(string){addsFile: p.add, updatesFile: p.update, deletesFile: p.remove} {
		if name, found := strings.CutPrefix(line, mark); found {
			if err := p.endHunk(); err != nil {
				return err
			}
			begin(name)
			return nil
		}
	}
	if line == "" {
		return errors.New("an empty line is no line of a patch")
	}
	switch kind, text := line[0], line[1:]; {
	case strings.HasPrefix(line, "@@"):
		return p.endHunk()
	case kind == '+':
		p.after = append(p.after, text)
	case kind == '-' && !p.adds:
		p.before = append(p.before, text)
	case kind == ' ' && !p.adds:
		p.before, p.after = append(p.before, text), append(p.after, text)
	default:
		return fmt.Errorf("no line of a patch: %q", line)
	}
	return nil
}

func (p *patching) add(name string)    { p.path, p.adds = name, true }
func (p *patching) update(name string) { p.path, p.adds = name, false }
func (p *patching) remove(name string) { p.path, p.changed[name] = "", nil }

// endHunk changes the file as the lines so far say.
func (p *patching) endHunk() error {
	if p.path == "" {
		return nil
	}
	text, found := p.files[p.path]
	if pending := p.changed[p.path]; pending != nil {
		text, found = *pending, true
	}
	before, after := strings.Join(append(p.before, ""), "\n"), strings.Join(append(p.after, ""), "\n")
	switch {
	case p.adds:
		text = after
	case !found:
		return fmt.Errorf("there is no file %s", p.path)
	case !strings.Contains(text, before):
		return fmt.Errorf("%s does not have the lines %q", p.path, p.before)
	default:
		text = strings.Replace(text, before, after, 1)
	}
	p.changed[p.path], p.before, p.after = &text, nil, nil
	return nil
}
