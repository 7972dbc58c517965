package admincli

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Each command says what it does and shows how, and what it shows can be typed.
func TestExamplesCanBeTyped(t *testing.T) {
	s := &session{Environment: Environment{Getenv: func(string) string { return "" }}.completed()}
	each(s.admin(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short: %q", c.CommandPath(), c.Short)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Short) {
			if len(line) > 101 { // a terminal's width, and the line's end
				t.Errorf("%s: a long line: %s", c.CommandPath(), line)
			}
		}
		if c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			canBeTyped(t, line)
		}
	})
}

func each(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, child := range c.Commands() {
		each(child, do)
	}
}

// canBeTyped parses a line as the shell and the command do.
func canBeTyped(t *testing.T, line string) {
	t.Helper()
	words, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '%s\\0' "+strings.NewReplacer(" > ", " '>' ", " < ", " '<' ").Replace(strings.TrimSpace(line))).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	args := strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
	for i, word := range args {
		if word == "<" || word == ">" {
			args = args[:i]
			break
		}
	}
	s := &session{Environment: Environment{Getenv: func(string) string { return "" }}.completed()}
	c, rest, err := s.root().Find(args[1:])
	if err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v", line, err)
		return
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil || c.HasSubCommands() {
		t.Errorf("%s: %v", line, err)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"list", "show", "ready", "refresh", "first-byte"}
	for word, want := range map[string]string{
		"lits": "list", "lst": "list", "SHOW": "show", "redy": "ready", "refrsh": "refresh", "fist-bite": "first-byte", "ref": "refresh",
		"": "", "x": "", "other": "", "zz": "",
	} {
		got := didYouMean(word, known)
		if want == "" && got != "" || want != "" && !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
