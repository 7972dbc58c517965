package terminal

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"
)

// part is a piece of a line.
type part struct {
	text   string
	colour colour
	// spare is how soon the part is left out where the line is too long: the highest first. What
	// has none stays.
	spare int
}

const (
	between    = " · "
	timeLayout = "15:04:05"
)

// requestLine is a request as one line that fits the screen.
func (s *Screen) requestLine(at time.Time, r request) string {
	status := strconv.FormatInt(r.status, 10)
	head := at.Format(timeLayout) + "  " + status + "  "
	parts := r.parts()
	if columns := s.columns(); columns > 0 {
		parts = fit(parts, columns-columnsOf(head))
	}
	line := s.paint(faint, at.Format(timeLayout)) + "  " + s.paint(r.colour(), status) + "  "
	for i, each := range parts {
		if i > 0 {
			line += s.paint(faint, between)
		}
		line += s.paint(each.colour, each.text)
	}
	return line
}

// parts are what there is to say of a request behind its status.
func (r request) parts() []part {
	parts := []part{
		{text: r.name()},
		{text: r.endpoint(), colour: faint, spare: 1},
		{text: r.upstream, spare: 2},
		{text: r.err, colour: r.colour()},
		{text: duration(r.took), spare: 1},
		{text: r.firstEvent(), colour: faint, spare: 4},
		{text: r.tokens(), spare: 3},
		{text: r.tries(), colour: yellow, spare: 4},
		{text: r.from(), colour: faint, spare: 5},
	}
	return slices.DeleteFunc(parts, func(p part) bool { return p.text == "" })
}

// fit leaves parts out, and cuts those that stay from the last one on, until they take no more than
// so many columns.
func fit(parts []part, columns int) []part {
	for columnsTaken(parts) > columns {
		most := slices.MaxFunc(parts, func(a, b part) int { return cmp.Compare(a.spare, b.spare) })
		if most.spare == 0 {
			break
		}
		parts = slices.DeleteFunc(parts, func(p part) bool { return p == most })
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if excess := columnsTaken(parts) - columns; excess > 0 {
			parts[i].text = cut(parts[i].text, max(columnsOf(parts[i].text)-excess, 1))
		}
	}
	return parts
}

// columnsTaken is how many columns parts take in a line.
func columnsTaken(parts []part) int {
	columns := max(len(parts)-1, 0) * columnsOf(between)
	for _, each := range parts {
		columns += columnsOf(each.text)
	}
	return columns
}

// colour says how a request went.
func (r request) colour() colour {
	switch {
	case r.status >= 500, r.err != "" && r.status < 400: // an answer that broke off began well
		return red
	case r.status >= 400:
		return yellow
	default:
		return green
	}
}

// name is what was asked for: a model, else a route.
func (r request) name() string {
	if r.model == "" && r.route != unmatched {
		return r.method + " " + r.route
	}
	return r.model
}

// endpoint is what kind of answer was asked for, where it is not a chat.
func (r request) endpoint() string {
	switch base := path.Base(r.route); {
	case r.model == "", slices.Contains([]string{"completions", "messages", "responses", unmatched}, base):
		return ""
	default:
		return base
	}
}

// firstEvent is how soon a stream had something to show.
func (r request) firstEvent() string {
	if !r.streamed || r.first <= 0 {
		return ""
	}
	return "first " + duration(r.first)
}

func (r request) tokens() string {
	if r.promptTokens+r.completionTokens == 0 {
		return ""
	}
	about := ""
	if r.estimated {
		about = "~"
	}
	return about + compact(r.promptTokens) + " in, " + about + compact(r.completionTokens) + " out"
}

func (r request) tries() string {
	if r.attempts < 2 {
		return ""
	}
	return strconv.FormatInt(r.attempts, 10) + " tries"
}

// from is who has asked.
func (r request) from() string {
	switch {
	case r.keyName != "":
		return r.keyName
	case r.caller == "session":
		return "admin's browser"
	case r.caller == "own":
		return "own token"
	default:
		return r.caller
	}
}

// duration is a time in at most three digits, or in minutes and seconds.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return strconv.FormatInt(int64(d.Seconds()), 10) + " s"
	default:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
}

// compact is a number in few digits.
func compact(n int64) string {
	switch {
	case n < 10_000:
		return strconv.FormatInt(n, 10)
	case n < 1_000_000:
		return strconv.FormatInt(n/1000, 10) + "k"
	default:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
}
