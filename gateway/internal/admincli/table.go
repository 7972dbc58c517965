package admincli

import (
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// table aligns rows for people. Cells are made printable: what an upstream said
// must not steer a terminal.
type table struct {
	session *session
	// rows have the heads as the first.
	rows [][]string
}

const (
	// gap is between two columns.
	gap = "  "
	// A table is fitted to a terminal by taking from its columns what they have beyond these: the
	// first one has the ids that other commands take, and a head alone needs less than a cell.
	leastFirst, leastCell, leastHead = 20, 8, 4
)

func (s *session) table(heads ...string) *table {
	t := &table{session: s}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = oneLine(cell)
	}
	t.rows = append(t.rows, row)
}

// flush prints the table, as far as the terminal has room.
func (t *table) flush() error {
	widths := t.widths(t.rows)
	heads := t.rows[0]
	if room := t.session.Terminal.Width(); room > 0 {
		widths = fit(widths, t.least(), room)
	}
	var out strings.Builder
	for number, row := range t.rows {
		t.write(&out, row, widths, number == 0)
	}
	if left := heads[len(widths):]; len(left) > 0 {
		out.WriteString("(no room for " + strings.Join(left, ", ") + ": -o csv has all)\n")
	}
	_, err := io.WriteString(t.session.Stdout, out.String())
	return err
}

func (t *table) write(out *strings.Builder, row []string, widths []int, isHead bool) {
	for i, width := range widths {
		cell := shortened(row[i], width)
		style := styleOf(t.rows[0][i], row[i])
		if isHead {
			style = bold
		}
		out.WriteString(t.session.styled(style, cell))
		if i < len(widths)-1 {
			out.WriteString(strings.Repeat(" ", width-columnsOf(cell)) + gap)
		}
	}
	out.WriteString("\n")
}

// widths are what the columns of rows take.
func (t *table) widths(rows [][]string) []int {
	widths := make([]int, len(t.rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], columnsOf(cell))
		}
	}
	return widths
}

// least are the widths that columns keep.
func (t *table) least() []int {
	least := t.widths(t.rows[1:])
	for i := range least {
		most := leastCell
		if i == 0 {
			most = leastFirst
		}
		least[i] = min(max(least[i], leastHead), most)
	}
	return least
}

// fit makes columns narrower until they have room together, the widest first, none below its
// least. Those that even so find no room are left out, from the right.
func fit(widths, least []int, room int) []int {
	needed := least[0]
	columns := 1
	for columns < len(widths) && needed+len(gap)+least[columns] <= room {
		needed += len(gap) + least[columns]
		columns++
	}
	fitted := slices.Clone(widths[:columns])
	excess := len(gap)*(columns-1) - room
	for _, each := range fitted {
		excess += each
	}
	for ; excess > 0; excess-- {
		widest := -1
		for i, each := range fitted {
			if each > least[i] && (widest < 0 || each > fitted[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		fitted[widest]--
	}
	return fitted
}

// shortened is a text that fits a number of columns, with … where some is left out.
func shortened(text string, columns int) string {
	if columnsOf(text) <= columns {
		return text
	}
	used := 1 // that of …
	for at, r := range text {
		used += columnsOfRune(r)
		if used > columns {
			return text[:at] + "…"
		}
	}
	return text
}

// columnsOf is how many columns of a terminal a text takes.
func columnsOf(text string) int {
	sum := 0
	for _, r := range text {
		sum += columnsOfRune(r)
	}
	return sum
}

func columnsOfRune(r rune) int {
	if r < 0x7f {
		return 1
	}
	if unicode.Is(unicode.Mn, r) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
	}
	return 1
}

// style is how a text looks at a terminal: the parameter of the escape sequence.
type style string

const (
	plain  style = ""
	bold   style = "1"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// stateStyles are the colours of the words that states begin with.
var stateStyles = map[string]style{
	"ready": green, "active": green, "success": green, "done": green, "200": green, "reachable": green,
	"quarantined": yellow, "cooling": yellow, "probing": yellow, "pending": yellow,
	"parked": red, "expired": red, "disabled": red, "failure": red, "failed": red, "deleted": red,
}

// styleOf is the look of a cell below a head.
func styleOf(head, cell string) style {
	if !strings.EqualFold(head, "state") && !strings.EqualFold(head, "status") {
		return plain
	}
	word, _, _ := strings.Cut(cell, " ")
	return stateStyles[strings.TrimSuffix(word, ",")]
}

// styled makes a text look so where a terminal can.
func (s *session) styled(look style, text string) string {
	if look == plain || !s.colours() {
		return text
	}
	return "\x1b[" + string(look) + "m" + text + "\x1b[0m"
}

// colours tells whether the output may have colours.
func (s *session) colours() bool {
	return s.Terminal.Width() > 0 && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb"
}
