package pricing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/gateway/internal/ondemand"
)

// Import is what a file of prices says.
type Import struct {
	// Prices are in the order of the file; no two are alike in match and upstream.
	Prices []Price
	// Skipped are the rows that say nothing of use.
	Skipped []Skipped
	// Rounded are the names of those of Prices that have a rate finer than a pico-dollar a token:
	// it was taken up.
	Rounded []string
	// Tiered are the names of those of Prices that the file lists as dearer for long prompts. These
	// are counted as others are.
	Tiered []string
}

// remarks are what is to be said of a price that is taken.
type remarks struct{ finer, tiered bool }

// Skipped is a row that was left out.
type Skipped struct {
	// Name is the model's, or the line's where it has none.
	Name   string
	Reason string
}

// readers are the readers of files by the name of their format, which is the source of what they
// read.
var readers = map[string]func(file []byte) (*Import, error){
	"litellm":    readLiteLLM,
	"models.dev": readModelsDev,
	"tsv":        readTSV,
}

// Formats are the names of the formats, in order.
func Formats() []string { return []string{"litellm", "models.dev", "tsv"} }

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = "\ufeff"

// Read reads a file of prices. Its errors say why nothing of it can be read.
func Read(format string, file []byte) (*Import, error) {
	read, known := readers[format]
	if !known {
		return nil, fmt.Errorf("there is no format %.40q; there are %s", format, strings.Join(Formats(), ", "))
	}
	found, err := read(bytes.TrimPrefix(file, []byte(byteOrderMark)))
	if err != nil {
		return nil, err
	}
	for i := range found.Prices {
		found.Prices[i].Source = format
	}
	return found, nil
}

func (r *Import) skip(name, format string, args ...any) {
	r.Skipped = append(r.Skipped, Skipped{Name: name, Reason: fmt.Sprintf(format, args...)})
}

// names are those that an import has already.
type names map[place]bool

// take adds a price unless there is something wrong with it.
func (r *Import) take(price Price, said remarks, known names) {
	at := place{price.Upstream, price.Match}
	err := price.check()
	switch {
	case err != nil:
		r.skip(price.Match, "%v", err)
	case !price.priced():
		r.skip(price.Match, "it has no price for tokens")
	case known[at]:
		r.skip(price.Match, "it is listed twice; the first one holds")
	default:
		known[at] = true
		r.Prices = append(r.Prices, price)
		if said.finer {
			r.Rounded = append(r.Rounded, price.Match)
		}
		if said.tiered {
			r.Tiered = append(r.Tiered, price.Match)
		}
	}
}

var upstreamName = ondemand.Regexp(`^([a-z][a-z0-9_-]{0,39})?$`)

// check refuses what the tokenstore would refuse the whole list for.
func (p *Price) check() error {
	name := p.Match
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("its name has %d bytes: 1 to %d wanted", len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return errors.New("its name has spaces, or characters that can't be shown")
	case strings.Count(name, "*") > 1:
		return errors.New("its name has more than one `*`")
	case !upstreamName.MatchString(p.Upstream):
		return fmt.Errorf("%.40q is no upstream's name", p.Upstream)
	}
	return nil
}

// readTSV reads the columns of the built-in table, and `upstream`.
func readTSV(file []byte) (*Import, error) {
	lines, err := readSheet(string(file))
	if err != nil {
		return nil, err
	}
	found, known := &Import{}, names{}
	for _, line := range lines.lines {
		finer := false
		price, err := line.price(func(cell string) (Rate, error) {
			if cell == "" {
				return Rate{}, nil
			}
			rate, isFiner, err := scaled(cell, perMillionPower)
			finer = finer || isFiner
			return rate, err
		})
		switch {
		case err != nil:
			found.skip(fmt.Sprintf("line %d", line.number), "%v", err)
		case price.Match == "":
			found.skip(fmt.Sprintf("line %d", line.number), "it names no model")
		default:
			found.take(price, remarks{finer: finer}, known)
		}
	}
	return found, nil
}

// Change says what a merge does.
type Change struct {
	Added, Changed, Unchanged, Removed int
	// Kept are the rows of the import that an admin has set by hand, and that stay so.
	Kept int
}

// Merge puts imported prices among those there are: they take the place of all from their source,
// and of those alike in match and upstream from another one, but never of one that an admin set.
func Merge(current, imported []Price, source string) ([]Price, Change) {
	var change Change
	before := map[place]Price{}
	for _, price := range current {
		before[place{price.Upstream, price.Match}] = price
	}
	merged, taken := []Price{}, map[place]bool{}
	for _, price := range imported {
		at := place{price.Upstream, price.Match}
		former, is := before[at]
		if is && former.Source == "" {
			change.Kept++
			continue
		}
		taken[at] = true
		merged = append(merged, price)
		switch {
		case !is:
			change.Added++
		case former == price:
			change.Unchanged++
		default:
			change.Changed++
		}
	}
	for _, price := range current {
		switch {
		case taken[place{price.Upstream, price.Match}]:
		case price.Source == source:
			change.Removed++
		default:
			merged = append(merged, price)
		}
	}
	slices.SortFunc(merged, compare)
	return merged, change
}
