// Package terminal says on a terminal what happens, for a person who looks on: a short line for
// each chat, and for what is wrong. It knows the log's lines by their names alone.
package terminal

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Screen is where lines go. It is safe for concurrent use.
type Screen struct {
	// columns is how many fit beside each other now; 0: as many as there are.
	columns func() int
	colours bool
	lines   *queue
}

// New makes a screen of an output, which Close ends: as wide as its terminal, or of any width where
// it is none. There are colours on a terminal that has them, unless NO_COLOR is set. environ is
// os.Getenv.
func New(output io.Writer, environ func(name string) string) *Screen {
	s := &Screen{lines: newQueue(output), columns: func() int { return 0 }}
	if !Is(output) {
		return s
	}
	s.colours = hasColours(environ)
	s.columns = func() int {
		width, _, err := term.GetSize(descriptor(output))
		if err != nil {
			return 0
		}
		return width
	}
	return s
}

// Is tells whether an output is a terminal.
func Is(output io.Writer) bool {
	_, isFile := output.(*os.File)
	return isFile && term.IsTerminal(descriptor(output))
}

// descriptor is that of an output; -1, which is never open, for one that is no file.
func descriptor(output io.Writer) int {
	file, isFile := output.(*os.File)
	if !isFile {
		return -1
	}
	return int(file.Fd())
}

// hasColours tells whether a terminal is to show them.
func hasColours(environ func(name string) string) bool {
	kind := environ("TERM")
	return environ("NO_COLOR") == "" && kind != "" && kind != "dumb"
}

// write writes a line as a whole, soon: it does not block.
func (s *Screen) write(line string) { s.lines.put(line) }

// Close shows the last lines. The output stays open.
func (s *Screen) Close() { s.lines.close() }
