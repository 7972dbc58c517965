// Package spreadsheet makes texts safe in files that spreadsheets open.
package spreadsheet

import "strings"

// Cell is a text that no spreadsheet takes for a formula: whoever may name a model could otherwise
// write one.
func Cell(text string) string {
	if strings.IndexAny(text, "=+-@\t\r") == 0 {
		return "'" + text
	}
	return text
}
