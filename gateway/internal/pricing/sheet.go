package pricing

import (
	"errors"
	"fmt"
	"strings"
)

// sheet is a file of tab-separated values. Lines that begin with # and empty ones say nothing;
// the first of the others names the columns, in any order. Those that nobody knows are ignored.
type sheet struct {
	lines []line
}

// line is one of a sheet.
type line struct {
	number  int // in the file, from 1
	columns map[string]int
	cells   []string
}

func readSheet(file string) (sheet, error) {
	var read sheet
	var columns map[string]int
	number := 0
	for text := range strings.Lines(file) {
		number++
		text = strings.TrimRight(text, "\r\n")
		if strings.TrimSpace(text) == "" || strings.HasPrefix(text, "#") {
			continue
		}
		cells := strings.Split(text, "\t")
		if columns != nil {
			read.lines = append(read.lines, line{number, columns, cells})
			continue
		}
		columns = map[string]int{}
		for i, name := range cells {
			columns[strings.TrimSpace(name)] = i
		}
		if _, has := columns["model"]; !has {
			return sheet{}, fmt.Errorf("line %d: the first line names the columns, separated by tabs; there is no column `model`", number)
		}
	}
	if columns == nil {
		return sheet{}, errors.New("there is no line that names the columns")
	}
	return read, nil
}

// cell is the value of a column; empty where the line ends before.
func (l line) cell(name string) string {
	if i, is := l.columns[name]; is && i < len(l.cells) {
		return strings.TrimSpace(l.cells[i])
	}
	return ""
}

// price is the price that a line lists, its rates read by parse.
func (l line) price(parse func(string) (Rate, error)) (Price, error) {
	price := Price{Match: l.cell("model"), Upstream: l.cell("upstream")}
	for _, column := range [...]struct {
		name string
		into *Rate
	}{
		{"input", &price.Input},
		{"output", &price.Output},
		{"cache_read", &price.CacheRead},
		{"cache_write", &price.CacheWrite},
		{"cache_write_hour", &price.CacheWriteHour},
		{"reasoning_output", &price.Reasoning},
	} {
		rate, err := parse(l.cell(column.name))
		if err != nil {
			return Price{}, fmt.Errorf("%s: %w", column.name, err)
		}
		*column.into = rate
	}
	return price, nil
}
