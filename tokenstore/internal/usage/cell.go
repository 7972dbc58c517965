package usage

import (
	"fmt"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Table says by what the cells are. Each entry is counted once in each table, so that the sums
// of one are those of the other.
type Table string

// The tables.
const (
	ByKey   Table = "key"
	ByToken Table = "token"
)

// Tables are all there are.
var Tables = []Table{ByKey, ByToken}

// Others stands for names of which a step of time has more than are kept.
const Others = "(others)"

// What stands for a token where none of ours was used.
const (
	ownToken = "own"
	noToken  = "none"
)

// maxName bounds each name of a cell, in bytes.
const maxName = 200

// cell is whose use is counted together.
type cell struct {
	// who is the id of a key or a token, by the table, or stands for what has none.
	who, upstream, model string
}

func cellOf(table Table, entry *tokenstorev1.LogEntry) cell {
	model := entry.GetServedModel()
	if model == "" {
		model = entry.GetModel()
	}
	who := keyOf(entry)
	if table == ByToken {
		who = tokenOf(entry)
	}
	return cell{name(who), name(entry.GetUpstream()), name(model)}
}

// keyOf is the admin's for entries of before there were others who could ask.
func keyOf(entry *tokenstorev1.LogEntry) string {
	switch caller := entry.GetCaller(); {
	case entry.GetKeyId() != "":
		return entry.GetKeyId()
	case caller != "":
		return caller
	default:
		return "admin"
	}
}

func tokenOf(entry *tokenstorev1.LogEntry) string {
	switch {
	case entry.GetTokenId() != "":
		return entry.GetTokenId()
	case entry.GetAttempts() > 0:
		return ownToken
	default:
		return noToken
	}
}

// separator stands between a cell's names where it is stored.
const separator = "\n"

// name makes a text one that can be part of a cell's.
func name(text string) string {
	if len(text) > maxName {
		text = text[:maxName]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), separator, " ")
}

// field is the cell's name as it is stored. The model is last: the store's script takes it off.
func (c cell) field() string { return c.who + separator + c.upstream + separator + c.model }

func readCell(field string) (cell, error) {
	who, rest, _ := strings.Cut(field, separator)
	upstream, model, whole := strings.Cut(rest, separator)
	if !whole || strings.Contains(model, separator) {
		return cell{}, fmt.Errorf("a cell of use can't be read: %q", field)
	}
	return cell{who, upstream, model}, nil
}

// Tally counts the entries of a batch.
type Tally struct {
	cells map[Table]map[cell]*Sums
}

// Count takes in an entry.
func (t *Tally) Count(entry *tokenstorev1.LogEntry) {
	if t.cells == nil {
		t.cells = map[Table]map[cell]*Sums{ByKey: {}, ByToken: {}}
	}
	for table, cells := range t.cells {
		name := cellOf(table, entry)
		if cells[name] == nil {
			cells[name] = &Sums{}
		}
		cells[name].Count(entry)
	}
}

// Stored returns what a table is to take in: names of cells, each with its sums behind it.
func (t *Tally) Stored(table Table) []string {
	var stored []string
	for name, sums := range t.cells[table] {
		stored = append(stored, name.field(), sums.text())
	}
	return stored
}
