package admincli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// table aligns rows for people. Cells are made printable: what an upstream said
// must not steer a terminal.
type table struct {
	out *tabwriter.Writer
}

// maxCell bounds a cell, in characters.
const maxCell = 60

func newTable(to io.Writer, heads ...string) *table {
	t := &table{out: tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		if i > 0 {
			_, _ = io.WriteString(t.out, "\t")
		}
		_, _ = io.WriteString(t.out, shorten(strings.ReplaceAll(printable(cell), "\n", " ")))
	}
	_, _ = io.WriteString(t.out, "\n")
}

func (t *table) flush() error { return t.out.Flush() }

func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= maxCell {
		return text
	}
	return string(runes[:maxCell-1]) + "…"
}

// printable replaces what would move a cursor or change a colour.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// fields prints the members of one object, in the given order.
func fields(to io.Writer, pairs ...string) error {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		value := pairs[i+1]
		if value == "" {
			value = "-"
		}
		_, _ = fmt.Fprintf(out, "%s\t%s\n", pairs[i], strings.ReplaceAll(printable(value), "\n", " "))
	}
	return out.Flush()
}

// printJSON prints an answer of the API, indented.
func (s *session) printJSON(answer []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, answer, "", "  "); err != nil {
		return fmt.Errorf("the gateway's answer can't be read: %w", err)
	}
	indented.WriteByte('\n')
	_, err := indented.WriteTo(s.Stdout)
	return err
}

// say prints a sentence for people; scripts get JSON or nothing.
func (s *session) say(format string, args ...any) {
	if !s.json {
		_, _ = fmt.Fprintln(s.Stdout, printable(fmt.Sprintf(format, args...)))
	}
}

// age tells how far a time is away: `3m ago`, `in 12d`.
func (s *session) age(at *time.Time) string {
	if at == nil {
		return ""
	}
	if distance := s.Now().Sub(*at); distance >= 0 {
		return rough(distance) + " ago"
	}
	return "in " + rough(at.Sub(s.Now()))
}

func rough(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 2*day:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	default:
		return strconv.Itoa(int(d/day)) + "d"
	}
}

// milliseconds tells a duration, nothing for none.
func milliseconds(ms *float64) string {
	if ms == nil {
		return ""
	}
	return time.Duration(*ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
