package allinone

import (
	"io"
	"log/slog"
	"os"

	"carousel.internal/deploy/local/terminal"
)

// shortLines is the value of LOG_FORMAT for short lines where there is no terminal, too. Other
// values are the services' own, and hold at a terminal, too.
const shortLines = "short"

// toldByReminder is what the services log of problems that the reminder says.
var toldByReminder = []string{"upstream does not tell its models", "store serves, but not as it should", "store can't be used; retrying"}

// show is how what happens is shown.
type show struct {
	output io.Writer
	// screen is for a person who looks on, and log brings there what the services log. Both are
	// nil where the services' own lines are wanted.
	screen *terminal.Screen
	log    slog.Handler
	// links: whoever reads the output may log in by a link. One in a file, or in a pipe that ends
	// in a journal, would be one for all who read that.
	links bool
}

// showOn shows a person short lines at a terminal, unless LOG_FORMAT says otherwise.
func showOn(output io.Writer, level slog.Level) show {
	format := os.Getenv("LOG_FORMAT")
	if format != shortLines && (format != "" || !terminal.Is(output)) {
		return show{output: output}
	}
	screen := terminal.New(output, os.Getenv)
	_, isFile := output.(*os.File)
	return show{output: output, screen: screen, log: screen.Handler(level, toldByReminder...), links: terminal.Is(output) || !isFile}
}

// close shows the last of what happens.
func (s show) close() {
	if s.screen != nil {
		s.screen.Close()
	}
}

// own is the log of this command's own parts.
func (s show) own() *slog.Logger {
	handler := s.log
	if handler == nil {
		handler = slog.NewTextHandler(s.output, nil)
	}
	return slog.New(handler).With("service", "local")
}
