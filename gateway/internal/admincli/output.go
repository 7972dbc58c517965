package admincli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// The forms of output.
const (
	asTable = "table"
	asJSON  = "json"
	asYAML  = "yaml"
	asCSV   = "csv"
)

// output is the form in which a command answers, and how far it has come.
type output struct {
	form string
	// documents counts those of YAML, columns are those of CSV once its head is written.
	documents int
	columns   []string
}

// define defines the flags of all commands that say it.
func (o *output) define(c *cobra.Command) {
	flags := c.PersistentFlags()
	o.form = asTable
	choice{value: &o.form, of: []string{asTable, asJSON, asYAML, asCSV}}.define(c, flags, "output", "o", "`FORM` of the output")
	flags.BoolFunc("json", "the same as -o json", func(text string) error {
		set, err := strconv.ParseBool(text)
		if set {
			o.form = asJSON
		}
		return err
	})
}

// show prints an answer of the API. rows leads to the lists in it, of which CSV has the objects,
// such as "pools.accounts"; it is empty where the answer is one object. people prints it as a
// table.
func (s *session) show(answer []byte, rows string, people func() error) error {
	switch s.form {
	case asJSON:
		return s.printJSON(answer)
	case asYAML:
		return s.printYAML(answer)
	case asCSV:
		return s.printCSV(answer, rows)
	default:
		return people()
	}
}

// showAs decodes an answer that people see.
func showAs[T any](s *session, answer []byte, err error, rows string, people func(T) error) error {
	if err != nil {
		return err
	}
	return s.show(answer, rows, func() error {
		into, err := read[T](answer, nil)
		if err != nil {
			return err
		}
		return people(into)
	})
}

// printJSON prints an answer of the API, indented.
func (s *session) printJSON(answer []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, answer, "", "  "); err != nil {
		return unreadable(err)
	}
	indented.WriteByte('\n')
	_, err := indented.WriteTo(s.Stdout)
	return err
}

func unreadable(err error) error { return fmt.Errorf("the gateway's answer can't be read: %w", err) }

// say prints a sentence for people; scripts get what they have asked for or nothing.
func (s *session) say(format string, args ...any) {
	if s.form == asTable {
		_, _ = fmt.Fprintln(s.Stdout, printable(fmt.Sprintf(format, args...)))
	}
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

// oneLine is a printable text without line ends; `-` for none.
func oneLine(text string) string {
	if text == "" {
		return "-"
	}
	return strings.ReplaceAll(printable(text), "\n", " ")
}

// fields prints the members of one object, in the given order: names and values by turns.
func (s *session) fields(pairs ...string) error {
	widest := 0
	for i := 0; i+1 < len(pairs); i += 2 {
		widest = max(widest, len(pairs[i]))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i] + strings.Repeat(" ", widest-len(pairs[i]))
		value := oneLine(pairs[i+1])
		if _, err := io.WriteString(s.Stdout, s.styled(bold, name)+"  "+s.styled(styleOf(pairs[i], value), value)+"\n"); err != nil {
			return err
		}
	}
	return nil
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

// count writes a number.
func count[N uint32 | uint64](n N) string { return strconv.FormatUint(uint64(n), 10) }

// local tells a time in the zone of this machine, nothing for none.
func local(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Local().Format("2006-01-02 15:04")
}
