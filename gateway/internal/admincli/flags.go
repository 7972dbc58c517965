package admincli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// choice is a flag's value that is one of some words, or none.
type choice struct {
	value *string
	of    []string
	// many: several of the words, with commas between.
	many bool
}

func (c choice) String() string { return *c.value }

func (c choice) Type() string { return "WORD" }

func (c choice) Set(text string) error {
	words := []string{text}
	if c.many {
		words = list(text)
	}
	for _, word := range words {
		if word != "" && !slices.Contains(c.of, word) {
			return fmt.Errorf("%s wanted, not %q%s", c.wanted(), word, didYouMean(word, c.of))
		}
	}
	*c.value = text
	return nil
}

func (c choice) wanted() string {
	if c.many {
		return "some of " + strings.Join(c.of, ", ")
	}
	return "one of " + strings.Join(c.of, ", ")
}

// define makes it a flag, which the shell completes.
func (c choice) define(of *cobra.Command, flags *pflag.FlagSet, name, short, usage string) {
	flags.VarP(c, name, short, usage+": "+strings.Join(c.of, ", "))
	_ = of.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp)) // it fails for a flag that is not there
}

// oneOf defines a flag that takes one of some words.
func oneOf(c *cobra.Command, name, usage string, words ...string) *string {
	value := new(string)
	choice{value: value, of: words}.define(c, c.Flags(), name, "", usage)
	return value
}

// moment is a flag's value that is a point in time.
type moment struct {
	at  time.Time
	now func() time.Time
}

func (m *moment) String() string { return m.text() }

func (m *moment) Type() string { return "TIME" }

// text is the time as the API takes it; empty where there is none.
func (m *moment) text() string {
	if m.at.IsZero() {
		return ""
	}
	return m.at.UTC().Format(time.RFC3339Nano)
}

func (m *moment) Set(text string) error {
	if text == "" {
		m.at = time.Time{}
		return nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil {
			m.at = at
			return nil
		}
	}
	ago, err := lengthOf(text)
	if err != nil {
		return fmt.Errorf("how long ago wanted, such as 1h or 7d, or a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z, not %q", text)
	}
	m.at = m.now().Add(-ago)
	return nil
}

// moment defines a flag that takes a point in time.
func (s *session) moment(c *cobra.Command, name, usage string) *moment {
	m := &moment{now: s.Now}
	c.Flags().Var(m, name, usage+": how long ago (1h, 7d), a date (its beginning in UTC) or an RFC 3339 time")
	return m
}

// query has the parameters of a question by the flags that set them.
type query struct {
	session *session
	command *cobra.Command
	given   []func(url.Values)
}

func (s *session) query(c *cobra.Command) *query { return &query{session: s, command: c} }

func (q *query) add(parameter string, value fmt.Stringer) {
	q.given = append(q.given, func(values url.Values) {
		if text := value.String(); text != "" {
			values.Set(parameter, text)
		}
	})
}

// text defines a flag that sets a parameter.
func (q *query) text(flag, parameter, usage string) *query {
	q.command.Flags().String(flag, "", usage)
	q.add(parameter, q.command.Flags().Lookup(flag).Value)
	return q
}

func (q *query) oneOf(flag, parameter, usage string, words ...string) *query {
	oneOf(q.command, flag, usage, words...)
	q.add(parameter, q.command.Flags().Lookup(flag).Value)
	return q
}

// span defines --from and --to.
func (q *query) span() *query {
	q.add("from", q.session.moment(q.command, "from", "not before `TIME`"))
	q.add("to", q.session.moment(q.command, "to", "before `TIME`"))
	return q
}

// values are what the flags say.
func (q *query) values() url.Values {
	values := url.Values{}
	for _, each := range q.given {
		each(values)
	}
	return values
}

// words is a flag's value that may be given several times; an empty one is none.
type words []string

func (w *words) String() string { return "" }

func (w *words) Type() string { return "TEXT" }

func (w *words) Set(text string) error {
	if text != "" {
		*w = append(*w, text)
	}
	return nil
}

// pairs collects KEY=VALUE flags.
type pairs map[string]string

func (p pairs) String() string { return "" }

func (p pairs) Type() string { return "KEY=VALUE" }

func (p pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return fmt.Errorf("KEY=VALUE wanted, not %q", text)
	}
	p[key] = value
	return nil
}

// values is a query of the pairs whose value is not empty.
func values(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}

// list splits at commas; nothing is an empty list.
func list(text string) []string {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
