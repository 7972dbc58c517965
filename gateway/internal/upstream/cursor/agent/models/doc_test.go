package models_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
)

// The table that operators read is the one that is used.
func TestFormerNamesInTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../../../docs/cursor.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| [^|]+ \\|$").FindAllSubmatch(text, -1) {
		if _, setting := models.Former()[string(row[1])]; setting || len(told) > 0 {
			told[string(row[1])] = string(row[2])
		}
	}
	if difference := cmp.Diff(models.Former(), told); difference != "" {
		t.Errorf("the document's table differs (-code +document):\n%s", difference)
	}
}
