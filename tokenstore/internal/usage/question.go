package usage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Dimension is something by which use is told apart.
type Dimension string

// The dimensions.
const (
	Key      Dimension = "key"
	Token    Dimension = "token"
	Model    Dimension = "model"
	Upstream Dimension = "upstream"
	ByDay    Dimension = "day"
	ByHour   Dimension = "hour"
)

// Question is what somebody wants to know of the use in [From, To).
type Question struct {
	From, To time.Time
	// Group tells rows apart, and says in which order they are.
	Group []Dimension
	// What is not empty must be so.
	Key, Token, Model, Upstream string
	// Most is how many of what is told apart, steps of time aside, have rows of their own: those
	// with the most of the measure; 0: all.
	Most    int
	Measure Measure
}

var (
	errKeyAndToken = errors.New("key and token: what each key has used of each token is not kept, so one of the two may be asked for")
	errDayAndHour  = errors.New("day and hour: a row is of the one or of the other")
)

// maxRows bounds an answer.
const maxRows = 100_000

// ErrRows is what is wrong with a question that has too large an answer.
var ErrRows = fmt.Errorf("the answer would have more than %d rows; a shorter time, fewer groups or a filter are wanted", maxRows)

// check tells what is wrong with the question.
func (q Question) check() error {
	seen := map[Dimension]bool{}
	for _, group := range q.Group {
		if seen[group] {
			return fmt.Errorf("group: %s is there twice", group)
		}
		seen[group] = true
	}
	switch {
	case q.From.IsZero() || !q.From.Before(q.To):
		return errRange
	case (seen[Key] || q.Key != "") && (seen[Token] || q.Token != ""):
		return errKeyAndToken
	case seen[ByDay] && seen[ByHour]:
		return errDayAndHour
	}
	return nil
}

func (q Question) groups(by Dimension) bool { return slices.Contains(q.Group, by) }

// Answer is gathered from the cells of steps.
type Answer struct {
	question Question
	// From and To are what is counted.
	From, To time.Time
	// Table and Steps are where the cells are.
	Table Table
	Steps []Step

	rows map[rowName]*Sums
}

// Row is one of an answer. Of its names only those of groups are there.
type Row struct {
	Key, Token, Model, Upstream string
	Start                       time.Time
	// Others tells that it is of all in its step of time that have no row of their own. It has no
	// names.
	Others bool
	Sums   *Sums
}

type rowName struct {
	cell
	start  int64 // s since 1970
	others bool
}

// Ask begins an answer. An error says what is wrong with the question.
func Ask(q Question, now time.Time) (*Answer, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	span := spanOf(q.From, q.To, now)
	if q.groups(ByHour) && !span.hoursOf(span.from) {
		return nil, fmt.Errorf("from: hours are told from %s on; days are kept for longer", span.firstHours().Format(time.RFC3339))
	}
	table := ByKey
	if q.Token != "" || q.groups(Token) {
		table = ByToken
	}
	a := &Answer{question: q, From: span.from, To: span.to, Table: table, Steps: span.steps(q.groups(ByHour)), rows: map[rowName]*Sums{}}
	if len(q.Group) == 0 {
		a.rows[rowName{}] = &Sums{}
	}
	return a, nil
}

// Add takes in a cell of a step, as it is stored.
func (a *Answer) Add(step Step, field, text string) error {
	whole, err := readCell(field)
	if err != nil {
		return err
	}
	if !a.question.covers(whole) {
		return nil
	}
	var sums Sums
	if err := sums.parse(text); err != nil {
		return err
	}
	name := a.question.rowOf(whole, step.Start)
	if row := a.rows[name]; row != nil {
		row.Add(&sums)
		return nil
	}
	if len(a.rows) >= maxRows {
		return ErrRows
	}
	a.rows[name] = new(sums)
	return nil
}

func (q Question) covers(c cell) bool {
	fits := func(wanted, is string) bool { return wanted == "" || wanted == is }
	return fits(q.Key+q.Token, c.who) && fits(q.Model, c.model) && fits(q.Upstream, c.upstream)
}

// rowOf names the row to which a cell belongs.
func (q Question) rowOf(c cell, start time.Time) rowName {
	var row rowName
	for _, group := range q.Group {
		switch group {
		case Key, Token:
			row.who = c.who
		case Model:
			row.model = c.model
		case Upstream:
			row.upstream = c.upstream
		case ByDay:
			row.start = start.Truncate(day).Unix()
		case ByHour:
			row.start = start.Unix()
		}
	}
	return row
}

// Rows are in the order of the groups, each ascending; those of others are behind those that have
// names. With them comes how many have no row of their own.
func (a *Answer) Rows() (rows []Row, others int) {
	sums, others := a.most()
	names := make([]rowName, 0, len(sums))
	for name := range sums {
		names = append(names, name)
	}
	slices.SortFunc(names, a.question.compare)
	rows = make([]Row, 0, len(names))
	for _, name := range names {
		rows = append(rows, a.question.row(name, sums[name]))
	}
	return rows, others
}

func (q Question) compare(a, b rowName) int {
	for _, group := range q.Group {
		order := 0
		switch group {
		case Key, Token:
			order = behind(a, b, strings.Compare(a.who, b.who))
		case Model:
			order = behind(a, b, strings.Compare(a.model, b.model))
		case Upstream:
			order = behind(a, b, strings.Compare(a.upstream, b.upstream))
		case ByDay, ByHour:
			order = cmp.Compare(a.start, b.start)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// behind is the order of two names, of which those of others are last.
func behind(a, b rowName, order int) int {
	switch {
	case a.others == b.others:
		return order
	case a.others:
		return 1
	default:
		return -1
	}
}

func (q Question) row(name rowName, sums *Sums) Row {
	row := Row{Model: name.model, Upstream: name.upstream, Others: name.others, Sums: sums}
	if q.groups(Key) {
		row.Key = name.who
	}
	if q.groups(Token) {
		row.Token = name.who
	}
	if q.groups(ByDay) || q.groups(ByHour) {
		row.Start = time.Unix(name.start, 0).UTC()
	}
	return row
}
