package spreadsheet_test

import (
	"testing"

	"carousel.internal/gateway/internal/spreadsheet"
)

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"":            "",
		"gpt-5":       "gpt-5",
		"a=1":         "a=1",
		"=1+1":        "'=1+1",
		"+1":          "'+1",
		"-1":          "'-1",
		"@SUM(A1)":    "'@SUM(A1)",
		"\t=1":        "'\t=1",
		"\r=1":        "'\r=1",
		"'=1":         "'=1",
		"名 = of them": "名 = of them",
	} {
		if got := spreadsheet.Cell(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
