package admincli

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal is the person's end of a command line.
type Terminal interface {
	// Width is how many columns the terminal has that the output goes to; 0: it goes to none.
	Width() int
	// Typed tells whether a person types standard input.
	Typed() bool
	// ReadHidden asks for a line, which is not shown while it is typed.
	ReadHidden(ctx context.Context, prompt string) (string, error)
}

// fileTerminal is the terminal that files of the process may be; nil where they are no files.
type fileTerminal struct {
	in, out *os.File
	prompts io.Writer
}

func terminalOf(env Environment) Terminal {
	in, _ := env.Stdin.(*os.File)
	out, _ := env.Stdout.(*os.File)
	return fileTerminal{in, out, env.Stderr}
}

func descriptor(file *os.File) int {
	return int(file.Fd())
}

func (t fileTerminal) Width() int {
	if t.out == nil {
		return 0
	}
	width, _, err := term.GetSize(descriptor(t.out))
	if err != nil {
		return 0
	}
	return width
}

func (t fileTerminal) Typed() bool { return t.in != nil && term.IsTerminal(descriptor(t.in)) }

// ReadHidden gives up when the context ends. A read that nobody waits for any more ends with the
// process, which has nothing else to do then.
func (t fileTerminal) ReadHidden(ctx context.Context, prompt string) (string, error) {
	fd := descriptor(t.in)
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("nothing can be typed here: %w", err)
	}
	_, _ = io.WriteString(t.prompts, prompt)
	defer func() { _, _ = io.WriteString(t.prompts, "\n") }()
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case got := <-read:
		if got.err != nil {
			return "", fmt.Errorf("nothing was typed: %w", got.err)
		}
		return string(got.text), nil
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		return "", context.Cause(ctx)
	}
}
