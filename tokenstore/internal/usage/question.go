package usage

import (
	"errors"
	"fmt"
	"maps"
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

	told map[cell]*told
	rows int
}

// told is what is told apart, with its sums of each step of time.
type told struct {
	cell
	steps []stepSums
}

type stepSums struct {
	start int64 // s since 1970
	Sums
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
	a := &Answer{question: q, From: span.from, To: span.to, Table: table, Steps: span.steps(q.groups(ByHour)), told: map[cell]*told{}}
	if len(q.Group) == 0 { // there is one row, whatever was used
		a.told[cell{}] = &told{steps: make([]stepSums, 1)}
	}
	return a, nil
}

// Add takes in the cells of a step. They stay as they are.
func (a *Answer) Add(step Step, cells *Cells) error {
	start, names := a.question.startOf(step), a.question.apart()
	var sums Sums
	rest := cells.sums
	for _, whole := range cells.names {
		rest = sums.unpack(rest)
		if !a.question.covers(whole) {
			continue
		}
		if err := a.add(start, names.of(whole), &sums); err != nil {
			return err
		}
	}
	return nil
}

// add counts sums for what is told apart, in the step of time that begins then.
func (a *Answer) add(start int64, name cell, sums *Sums) error {
	row := a.told[name]
	if row == nil {
		row = &told{cell: name}
		a.told[name] = row
	}
	for i := len(row.steps) - 1; i >= 0; i-- { // cells come in order of time, so that it is the last one
		if row.steps[i].start == start {
			row.steps[i].Add(sums)
			return nil
		}
	}
	if a.rows >= maxRows {
		return ErrRows
	}
	a.rows++
	row.steps = append(row.steps, stepSums{start, *sums})
	return nil
}

// AddKnown is Add for cells that are asked for again and again: what a question does not tell apart
// is added up once.
func (a *Answer) AddKnown(step Step, cells *Cells) error {
	if q := a.question; q.Key+q.Token+q.Model+q.Upstream == "" {
		cells = cells.by(q.apart())
	}
	return a.Add(step, cells)
}

func (q Question) covers(c cell) bool {
	fits := func(wanted, is string) bool { return wanted == "" || wanted == is }
	return fits(q.Key+q.Token, c.who) && fits(q.Model, c.model) && fits(q.Upstream, c.upstream)
}

// apart says which names of cells are told apart. Tens of thousands of cells are asked for theirs.
type apart struct{ who, upstream, model bool }

func (q Question) apart() apart {
	return apart{q.groups(Key) || q.groups(Token), q.groups(Upstream), q.groups(Model)}
}

// of is what of a cell is told apart.
func (p apart) of(c cell) (name cell) {
	if p.who {
		name.who = c.who
	}
	if p.upstream {
		name.upstream = c.upstream
	}
	if p.model {
		name.model = c.model
	}
	return name
}

// startOf is when the step of time begins that rows are of; 0 where they are of all time.
func (q Question) startOf(step Step) int64 {
	switch {
	case q.groups(ByHour):
		return step.Start.Unix()
	case q.groups(ByDay):
		return step.Start.Truncate(day).Unix()
	default:
		return 0
	}
}

// Rows are in the order of the groups, each ascending; those of others are behind those that have
// names. With them comes how many have no row of their own.
func (a *Answer) Rows() (rows []Row, others int) {
	all := slices.Collect(maps.Values(a.told))
	var rest []*told
	if most := a.question.Most; most > 0 && len(all) > most {
		all, rest = a.question.Measure.most(all, most)
	}
	for _, each := range all {
		for i := range each.steps {
			rows = append(rows, a.question.row(each.cell, &each.steps[i]))
		}
	}
	rows = append(rows, a.question.others(rest)...)
	slices.SortFunc(rows, a.question.compare)
	return rows, len(rest)
}

// others are the rows of all that have none of their own.
func (q Question) others(all []*told) (rows []Row) {
	sums := map[int64]*stepSums{}
	for _, each := range all {
		for i := range each.steps {
			step := &each.steps[i]
			if sums[step.start] == nil {
				sums[step.start] = &stepSums{start: step.start}
			}
			sums[step.start].Add(&step.Sums)
		}
	}
	for _, step := range sums {
		row := q.row(cell{}, step)
		row.Others = true
		rows = append(rows, row)
	}
	return rows
}

func (q Question) compare(a, b Row) int {
	for _, group := range q.Group {
		order := 0
		switch group {
		case Key:
			order = behind(a, b, strings.Compare(a.Key, b.Key))
		case Token:
			order = behind(a, b, strings.Compare(a.Token, b.Token))
		case Model:
			order = behind(a, b, strings.Compare(a.Model, b.Model))
		case Upstream:
			order = behind(a, b, strings.Compare(a.Upstream, b.Upstream))
		case ByDay, ByHour:
			order = a.Start.Compare(b.Start)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// behind is the order of two names, of which those of others are last.
func behind(a, b Row, order int) int {
	switch {
	case a.Others == b.Others:
		return order
	case a.Others:
		return 1
	default:
		return -1
	}
}

func (q Question) row(name cell, step *stepSums) Row {
	row := Row{Model: name.model, Upstream: name.upstream, Sums: &step.Sums}
	if q.groups(Key) {
		row.Key = name.who
	}
	if q.groups(Token) {
		row.Token = name.who
	}
	if q.groups(ByDay) || q.groups(ByHour) {
		row.Start = time.Unix(step.start, 0).UTC()
	}
	return row
}
