package pricing

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed builtin.tsv
var builtInFile string

// row is a model of the built-in table.
type row struct {
	Price
	provider  string
	maxOutput int
}

// builtInTable is the table, by canonical names.
type builtInTable struct {
	rows  []row
	named map[string]*row
	// providers are those that have a row.
	providers map[string]bool
}

var builtIn = sync.OnceValue(func() *builtInTable {
	table, err := readBuiltIn(builtInFile)
	if err != nil {
		panic(err) // a mistake of the build, which a test finds
	}
	return table
})

// BuiltIn is the built-in table, in order of its models' ids.
func BuiltIn() []Price {
	prices := make([]Price, 0, len(builtIn().rows))
	for _, each := range builtIn().rows {
		prices = append(prices, each.Price)
	}
	slices.SortFunc(prices, compare)
	return prices
}

// readBuiltIn reads the file: provider, model, the rates in dollars for a million tokens, and
// how many tokens the model can answer at most; 0 where it answers none.
func readBuiltIn(file string) (*builtInTable, error) {
	sheet, err := readSheet(file)
	if err != nil {
		return nil, err
	}
	table := &builtInTable{rows: make([]row, 0, len(sheet.lines)), named: map[string]*row{}, providers: map[string]bool{}}
	for _, line := range sheet.lines {
		price, err := line.price(ParseRate)
		if err != nil {
			return nil, fmt.Errorf("built-in prices, line %d: %w", line.number, err)
		}
		most, err := strconv.Atoi(line.cell("max_output"))
		if err != nil {
			return nil, fmt.Errorf("built-in prices, line %d: max_output: %w", line.number, err)
		}
		provider := line.cell("provider")
		table.rows, table.providers[provider] = append(table.rows, row{price, provider, most}), true
	}
	return table, table.name()
}

// name fills named.
func (t *builtInTable) name() error {
	for i := range t.rows {
		name := canonical(t.rows[i].Match)
		if t.named[name] != nil {
			return fmt.Errorf("built-in prices: %s is listed twice", t.rows[i].Match)
		}
		t.named[name] = &t.rows[i]
	}
	short := map[string]*row{}
	for i := range t.rows {
		each := &t.rows[i]
		name := canonical(each.Match)
		if each.provider == "google" {
			name = strings.TrimSuffix(name, "-preview")
		}
		name = dated.Get().ReplaceAllString(name, "")
		if known := short[name]; t.named[name] == nil && (known == nil || known.Match < each.Match) {
			short[name] = each // dates of one model are written alike, so that they compare as texts
		}
	}
	for name, each := range short {
		t.named[name] = each
	}
	return nil
}

// find returns the row of a model; the zero row where there is none.
func (t *builtInTable) find(model string) row {
	if known := t.named[canonical(model)]; known != nil {
		return *known
	}
	provider := ""
	if vendor, rest, prefixed := strings.Cut(model, "/"); prefixed {
		if provider = makers[strings.ToLower(vendor)]; provider == "" {
			return row{}
		}
		model = rest
	}
	for _, step := range simpler {
		model = step(model)
		if known := t.named[model]; known != nil && (provider == "" || known.provider == provider) {
			return *known
		}
	}
	return row{}
}
